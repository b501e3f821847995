"""Curves of a check, such as a loss while it trained, as lines for SVG."""

from __future__ import annotations

from dataclasses import dataclass

from grader.records import Curve

WIDTH, HEIGHT, MARGIN = 480, 120, 6  # SVG units of the area the line is drawn in; room for the line's own width


@dataclass(frozen=True, slots=True)
class Line:
    """One curve, ready to be drawn."""

    name: str
    alt: str
    points: str  # of an SVG polyline
    first: str  # what the ends of the axes say
    last: str
    low: str
    high: str
    end: str  # where the curve ends
    width: int = WIDTH
    height: int = HEIGHT


def line(curve: Curve) -> Line:
    """Return the line of `curve`, which holds one point or more."""
    xs, ys = zip(*curve.points, strict=True)
    across, up = _scaled(xs, WIDTH), _scaled(ys, HEIGHT)
    return Line(
        name=curve.name,
        alt=f"{curve.name}: from {ys[0]:.4g} to {ys[-1]:.4g}",
        points=" ".join(f"{x:.1f},{HEIGHT - y:.1f}" for x, y in zip(across, up, strict=True)),
        first=f"{min(xs):g}",
        last=f"{max(xs):g}",
        low=f"{min(ys):.3g}",
        high=f"{max(ys):.3g}",
        end=f"{ys[-1]:.4g}",
    )


def _scaled(values: tuple[float, ...], size: int) -> list[float]:
    low, high = min(values), max(values)
    room = size - 2 * MARGIN
    return [MARGIN + (room * (v / 2 - low / 2) / (high / 2 - low / 2) if high > low else room / 2) for v in values]
