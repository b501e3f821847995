"""The proof of an assignment as a page, and the signs of its matrix, in the terminal as well."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from grader.proof.prove import Proof
from grader.proof.verdict import CLOSE, Cell
from grader.report.markup import prose
from grader.report.render import TEMPLATES
from grader.report.words import Tone, number

SIGNS: dict[Cell, tuple[str, Tone, str]] = {
    Cell.CAUGHT: ("●", "good", "loses points, as it should"),
    Cell.MISSED: ("✗", "bad", "should lose points"),
    Cell.STRAY: ("!", "bad", "should lose none"),
    Cell.FLAKY: ("~", "bad", "depends on the seed"),
    Cell.SKIPPED: ("○", "mute", "skipped"),
    Cell.FOLLOWED: ("→", "calm", "follows through"),
    Cell.CLEAR: ("·", "mute", "loses nothing"),
}


def render_proof(proof: Proof) -> str:
    """Return the text of one HTML page that needs no other file."""
    made = Environment(
        loader=FileSystemLoader([Path(__file__).parent / "templates", TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"number": number, "times": times, "prose": prose}
    return made.get_template("proof.html.j2").render(proof=proof, signs=SIGNS, close=CLOSE)


def times(ratio: float) -> str:
    """Return a margin with two digits that count: 3.4, 120, 56,000, millions."""
    return "millions" if ratio >= 1e6 else f"{float(f'{ratio:.2g}'):,.0f}" if ratio >= CLOSE else f"{ratio:.2g}"
