"""Proof that an assignment's checks are right: known mistakes, correct variants and mutants turned on the checks."""
