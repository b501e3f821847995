"""From stored results to what people and pipelines read: pure functions from records to the text of files."""

from grader.report.render import render_class, render_student
from grader.report.shown import Heading

__all__ = ["Heading", "render_class", "render_student"]
