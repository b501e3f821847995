"""Heat maps in the terminal: small grids with their numbers, larger ones in blocks of colour."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from grader.records import Grid, Picture
from grader.report.picture import Panel, Scale, largest, panels, scales, short

_UPPER, _LOWER = "\N{UPPER HALF BLOCK}", "\N{LOWER HALF BLOCK}"
_GAP = 3  # columns between two panels
_LARGE = 12  # rows up to which a cell may be drawn twice as wide and high
_RAMP = 16  # columns of a legend's scale


def can_draw(console: Console) -> bool:
    """Whether colours arrive there that tell numbers apart."""
    many = console.color_system in ("256", "truecolor") and not console.no_color
    return console.is_terminal and many and console.encoding.lower().startswith("utf")


def heat_maps(picture: Picture, width: int) -> RenderableType:
    """Yours, expected and the difference, side by side where `width` columns allow it, else below each other."""
    found, drawn = scales(picture), panels(picture)
    most = width // len(found) - _GAP  # columns of one panel
    columns = max(len(row) for _, grid, _ in found for row in grid)
    cell = max((len(cell.label) for panel in drawn for cell in panel.cells), default=0) + 1
    if cell > 1 and columns * cell <= most:
        maps = [_numbers(panel, grid, scale, cell) for panel, (_, grid, scale) in zip(drawn, found, strict=True)]
    else:
        times = 2 if len(picture.student) <= _LARGE and 2 * columns <= most else 1
        maps = [_blocks(grid, scale, times) for _, grid, scale in found]
    titled = [
        Text("\n").join([Text(title.partition(":")[0]), *lines]) for (title, *_), lines in zip(found, maps, strict=True)
    ]
    table = Table.grid(padding=(0, _GAP, 0, 0))
    for row in [titled] if columns <= most else [[panel] for panel in titled]:
        table.add_row(*row)
    legend = _ramp(found[0][2])
    if picture.difference:
        legend = Text.assemble(legend, "   difference ", _ramp(found[-1][2]))
    said = largest(picture)
    words = [Text(f"largest difference: {said}")] if said else []
    return Group(Text(f"{picture.caption}:"), table, legend, *words)


def _numbers(panel: Panel, grid: Grid, scale: Scale, width: int) -> list[Text]:
    cells = iter(panel.cells)
    lines = []
    for row in grid:
        line = Text()
        for value, cell in zip(row, cells, strict=False):
            colour = _colour(value, scale)
            style = Style(color=f"{cell.ink}{cell.ink[1:]}", bgcolor=colour) if colour else Style()
            line.append((cell.label or "nan").rjust(width), style)
        lines.append(line)
    return lines


def _blocks(grid: Grid, scale: Scale, times: int) -> list[Text]:
    rows = [[_colour(value, scale) for value in row for _ in range(times)] for row in grid for _ in range(times)]
    if len(rows) % 2:
        rows.append([None] * len(rows[-1]))
    return [Text.assemble(*map(_pair, *pair)) for pair in zip(rows[::2], rows[1::2], strict=True)]


def _pair(upper: str | None, lower: str | None) -> tuple[str, Style]:
    """One character for two cells; one without a finite number is left empty."""
    if upper is None:
        return (" ", Style()) if lower is None else (_LOWER, Style(color=lower))
    return _UPPER, Style(color=upper, bgcolor=lower)


def _colour(value: float | None, scale: Scale) -> str | None:
    return None if (level := scale.place(value)) is None else scale.colours[level]


def _ramp(scale: Scale) -> Text:
    steps = [scale.colours[round(n / (_RAMP - 1) * (len(scale.colours) - 1))] for n in range(_RAMP)]
    bar = [(" ", Style(bgcolor=colour)) for colour in steps]
    return Text.assemble(f"{short(scale.low, 3)} ", *bar, f" {short(scale.high, 3)}")
