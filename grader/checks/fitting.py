"""From which layers fill which to plans: rows in one order or another, by so many heads, matrices turned or not."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product

from grader.checks import naming
from grader.checks.layout import Filling, Plan, View, arranged
from grader.checks.places import STANDARD, Parameter, Place

_MOST_HEADS = 8  # numbers of heads tried
_TURNED, _TURNED_STANDARD, _OTHER_HEADS = 1.0, 3.0, 0.1  # how strange it is
_ORDERS = {"shd": 0.0, "hsd": 1.0, "hds": 1.5, "sdh": 2.5, "dsh": 2.5, "dhs": 2.5}  # rows by source, head, feature


@dataclass(frozen=True, eq=False)
class Link:
    """A place of the student's and those of the reference's that may fill it; none when it stays unfilled."""

    place: Place
    sources: tuple[Place, ...]
    strange: float
    named: bool = False  # the place is called what it holds

    @cached_property
    def trait(self) -> object:
        """What stays the same with other sizes."""
        return self.place.name, *(source.name for source in self.sources)

    @cached_property
    def parts(self) -> int:
        """How many layers of the place stand for one of a source's."""
        return max(self.place.count // self.sources[0].count, 1)

    @cached_property
    def joined(self) -> int:
        """How many layers of a source stand for one of the place's."""
        return max(self.sources[0].count // self.place.count, 1)

    @cached_property
    def is_cut(self) -> bool:
        """Whether heads may show: several in one, one in several, or more dimensions."""
        shapes = [(shape, self.sources[0].shapes.get(role, shape)) for role, shape in self.place.shapes.items()]
        more = any(sum(n > 1 for n in mine) > len(its) for mine, its in shapes)
        return more or len(self.sources) > 1 or self.parts > 1

    @cached_property
    def is_last(self) -> bool:
        """Whether it is an output projection: where heads show in it, they do in its columns."""
        return naming.stands_last(self.sources[0].name)


def fitted(
    links: Sequence[Link],
    strange: float,
    numbers: Sequence[int],
    wanted: Sequence[Parameter],
    known: Collection[object],
) -> Iterator[Plan]:
    """The plans in which these links hold. `numbers` may be numbers of heads, `known` traits of a right plan."""
    filled = [link for link in links if link.sources]
    unfilled = {
        name: link.place.shapes[role]
        for link in links
        for role, names in link.place.members.items()
        if not link.sources or role not in link.sources[0].shapes
        for name in names
    }
    named = not unfilled and all(link.named for link in links)
    orders = list(_ORDERS) if any(len(link.sources) > 1 for link in filled) else ["shd"]
    for order, (rank, heads) in product(orders, enumerate(_heads([link for link in filled if link.is_cut], numbers))):
        ways = [_ways(link, order, heads if link.is_cut else 1) for link in filled]
        # All matrices of a module are stored alike, except perhaps output projections.
        most = [max([1, *(len(way) for link, way in zip(filled, ways, strict=True) if link.is_last is end)])
                for end in (False, True)]  # fmt: skip
        for turned in product(*map(range, most)) if all(ways) else ():
            chosen = [way[min(turned[link.is_last], len(way) - 1)] for link, way in zip(filled, ways, strict=True)]
            fillings = tuple(filling for some, _ in chosen for filling in some)
            given = {source.partition("|")[0] for filling in fillings for source in filling.sources}
            left = tuple(p.name for p in wanted if p.name == p.own and p.name not in given)
            manner = order, turned, numbers.index(heads) if heads > 1 and heads in numbers else None
            odd = 0.0 if manner in known else _ORDERS[order] + max((odd for _, odd in chosen), default=0.0)
            traits = frozenset({*(link.trait for link in links), manner})
            yield Plan(fillings, unfilled, left, strange + odd + _OTHER_HEADS * rank, named and not left, traits)


def _heads(links: Sequence[Link], numbers: Sequence[int]) -> list[int]:
    """Numbers of heads that the shapes allow: one, those the shapes show, those among the arguments, divisors."""
    sizes = {n for link in links for shape in link.sources[0].shapes.values() for n in shape}
    shown = [n for link in links for n in (link.parts, *(n for shape in link.place.shapes.values() for n in shape))]
    likely = dict.fromkeys([*shown, *numbers, *range(2, max(sizes, default=0))])
    return [1, *(n for n in likely if n > 1 and any(size % n == 0 and size > n for size in sizes))][:_MOST_HEADS]


@lru_cache(4096)
def _ways(link: Link, order: str, heads: int) -> list[tuple[tuple[Filling, ...], float]]:
    """How the sources can fill the place with rows in this order, and how strange that is, likeliest first."""
    source, parts, joined = link.sources[0], link.parts, link.joined
    order = order if len(link.sources) > 1 else "shd"
    standard = [layer in STANDARD for layer in (link.place.layer, source.layer)]
    views: dict[str, list[View]] = {}
    for role in sorted({*link.place.shapes} & {*source.shapes}):
        rows, *rest = source.shapes[role] or (1,)
        shapes = (rows * joined, *rest), len(link.sources), (parts, *link.place.shapes[role])
        views[role] = [*arranged(*shapes, order, heads, columns=False)]
        if "bias" not in role:
            by_rows = views[role] if standard[0] == standard[1] else views[role][::-1]
            by_columns = arranged(*shapes, order, heads, columns=True) if link.is_cut else ()
            views[role] = list(dict.fromkeys([*by_rows, *by_columns]))
    odd = _TURNED_STANDARD if all(standard) else _TURNED
    ways = []
    for way in range(max(map(len, views.values())) if all(views.values()) else 0):
        chosen = {role: some[min(way, len(some) - 1)] for role, some in views.items()}
        fillings = tuple(f for role, view in chosen.items() for f in _filled(link, role, view, order, heads))
        ways.append((fillings, way * odd))
    return ways


def _filled(link: Link, role: str, view: View, order: str, heads: int) -> Iterator[Filling]:
    """One filling for each layer, or for each group of layers that stand for one."""
    targets, parts, joined = link.place.members[role], link.parts, link.joined
    for i in range(len(targets) // parts):
        sources = tuple(n for source in link.sources for n in source.members[role][i * joined : (i + 1) * joined])
        yield Filling(targets[i * parts : (i + 1) * parts], link.place.shapes[role], sources, view, order, heads)
