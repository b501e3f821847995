"""Fair, isolated, provable grades for PyTorch assignments.

Kept empty on purpose: `grader --help` must answer without importing torch. Instructors write `from grader.checks
import ...`.
"""

__version__ = "0.1.0"
