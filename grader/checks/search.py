"""Plans to fill the student's parameters, likeliest first: by names, by order, by shapes. Bounded in work."""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate, chain, combinations, count, permutations, product
from typing import NamedTuple

from grader.checks import naming
from grader.checks.layout import STANDARD, Filling, Parameter, Place, Plan, View, arranged, places, taken_apart

_MOST_WORK = 50_000  # partial plans looked at
_MOST_ORDERS = 200  # in which layers of one shape may fill one place
_MOST_FUSED = 8  # layers in one
_MOST_HEADS = 8  # numbers of heads tried
_SPAN = 9.0  # a plan this much stranger than the likeliest is not looked at: two names exchanged, not three
_DISORDER, _LEVEL, _KNOWN = 0.3, 2.0, 0.5  # how strange other things than names are; what was right before is less so
_NO_BIAS, _UNFILLED, _LEFT_OUT = 5.0, 8.0, 10.0
_TURNED, _TURNED_STANDARD = 1.0, 3.0
_ORDERS = {"shd": 0.0, "hsd": 1.0, "hds": 1.5, "sdh": 2.5, "dsh": 2.5, "dhs": 2.5}  # rows by source, head, feature

Turned = tuple[bool, bool]  # the matrices whose orientation is open: output projections, all others


@dataclass(frozen=True, slots=True)
class Link:
    """A place of the student's and those of the reference's that may fill it; none when it stays unfilled."""

    place: Place
    sources: tuple[Place, ...]
    strange: float
    named: bool = False  # the place is called what it holds

    @property
    def trait(self) -> object:
        """What stays the same with other sizes."""
        return self.place.name, *(source.name for source in self.sources)

    @property
    def is_cut(self) -> bool:
        """Whether heads may show in the shapes: several in one, one in several, or more dimensions."""
        more = any(
            sum(n > 1 for n in shape) > len(self.sources[0].shapes.get(role, shape))
            for role, shape in self.place.shapes.items()
        )
        return len(self.sources) > 1 or self.parts > 1 or more

    @property
    def parts(self) -> int:
        """How many layers of the student's stand for one of the reference's."""
        return max(self.place.count // self.sources[0].count, 1)


def plans(
    found: Sequence[Parameter], wanted: Sequence[Parameter], numbers: Sequence[int], known: Collection[object] = ()
) -> Iterator[Plan]:
    """Every way found to fill the student's parameters from the reference's, likeliest first.

    `numbers` are the ints among the constructor's arguments, one of which may be the number of heads; `known` are the
    traits of a plan that was right before.
    """
    own = [parameter for parameter in found if parameter.name == parameter.own]
    order, work = count(), count()
    waiting: list[tuple[float, int, Plan | _Grain | Iterator[_Step]]]
    waiting = [(level * _LEVEL, next(order), grain) for level, grain in enumerate(_GRAINS)]
    seen: dict[Plan, float] = {}
    while waiting:
        strange, _, thing = heapq.heappop(waiting)
        if seen and strange > min(seen.values()) + _SPAN:
            return
        if isinstance(thing, Plan):
            if thing not in seen:
                seen[thing] = thing.strange
                yield thing
        elif isinstance(thing, _Grain):
            given = taken_apart(wanted) if thing.split else wanted
            if len(given) > len(wanted) if thing.split else not any(plan.named for plan in seen):
                heapq.heappush(waiting, (strange, next(order), _assignments(thing, strange, own, given, known, work)))
        elif following := next(thing, None):
            for plan in _dressed(following[1], following[0], numbers, wanted, known) if following[1] else ():
                heapq.heappush(waiting, (plan.strange, next(order), plan))
            heapq.heappush(waiting, (following[0], next(order), thing))


class _Grain(NamedTuple):
    """How parameters are taken together: each apart or by layers, alone or with all of its list; `split` with what
    the reference has in one as several.
    """

    apart: bool
    lists: bool
    loosely: bool = False
    split: bool = False


_GRAINS = (
    _Grain(False, True),
    _Grain(False, True, loosely=True),
    _Grain(False, True, split=True),
    _Grain(False, False),
    _Grain(True, True),
    _Grain(True, False),
    _Grain(True, True, split=True),
)
_Step = tuple[float, tuple[Link, ...]]


def _assignments(
    grain: _Grain,
    strange: float,
    found: Sequence[Parameter],
    wanted: Sequence[Parameter],
    known: Collection[object],
    work: Iterator[int],
) -> Iterator[_Step]:
    """Which layers fill which, least strange first: a search that always goes on with the best start so far. Before it
    looks at stranger ones it says so, with no links: something else may come first.
    """
    own = places(found, apart=grain.apart, lists=grain.lists, loosely=grain.loosely)
    theirs = places(wanted, apart=grain.apart, lists=grain.lists)
    choices = [_choices(place, theirs, known) for place in own]
    choices.sort(key=lambda links: links[min(1, len(links) - 1)].strange - links[0].strange)  # the open ones first
    at_least = [sum(links[0].strange for links in choices[i:]) for i in range(len(choices) + 1)]
    bit = {place.name: 1 << i for i, place in enumerate(theirs)}
    strange += _LEFT_OUT * (spare := _spare(own, theirs))
    order, best, estimate = count(0, -1), math.inf, strange
    waiting: list[tuple[float, int, float, int, tuple[Link, ...], bool]]
    waiting = [(strange + at_least[0], 0, strange, 0, (), False)]
    while waiting:
        if waiting[0][0] > estimate:
            yield waiting[0][0], ()
        estimate, _, strange, used, links, whole = heapq.heappop(waiting)
        if whole:
            best = min(best, estimate)
            yield estimate, tuple(sorted(links, key=lambda link: link.place.start))
            continue
        if len(links) == len(choices):
            given = {name for link in links for source in link.sources for name in source.names}
            estimate += _LEFT_OUT * (sum(given.isdisjoint(place.names) for place in theirs) - spare)
            heapq.heappush(waiting, (estimate, next(order), strange, used, links, True))
            continue
        for link in choices[len(links)]:
            estimate = strange + link.strange + at_least[len(links) + 1]
            if estimate > best + _SPAN or next(work) > _MOST_WORK:
                break
            taken = sum(bit[source.name] for source in link.sources)
            if not taken & used:
                start = (*links, link)
                heapq.heappush(waiting, (estimate, next(order), strange + link.strange, used | taken, start, False))


def _spare(own: Sequence[Place], theirs: Sequence[Place]) -> int:
    """How many of their layers find no place at least, counted in numbers."""
    sizes = {frozenset(place.names): place.size for place in theirs}  # the same tensor under another name once
    room = sum(place.size for place in own)
    fitting = accumulate(sorted(sizes.values()))
    return len(sizes) - sum(size <= room for size in fitting)


def _choices(place: Place, theirs: Sequence[Place], known: Collection[object]) -> list[Link]:
    """What may fill the place, least strange first."""
    alike: dict[object, list[Place]] = {}
    for source in theirs:
        alike.setdefault((source.count, tuple(sorted(source.shapes.items()))), []).append(source)
    found = [Link(place, (), _UNFILLED)]
    for group in alike.values():
        several = _several(place, group)
        missing = _NO_BIAS * len(set(place.shapes) ^ set(group[0].shapes))
        for chosen in _in_orders(len(group), several) if several else ():
            sources = tuple(group[i] for i in chosen)
            odd = naming.strangeness(place.name, tuple(source.name for source in sources))
            named = odd < naming.UNKNOWN
            if odd > naming.EXACT:
                odd += _DISORDER * sum(a > b for a, b in combinations(chosen, 2))
                odd += _DISORDER * 4 * abs(place.start - sources[0].start)
            link = Link(place, sources, missing + odd, named)
            if link.trait in known:
                link = replace(link, strange=missing - _KNOWN)
            found.append(link)
    return sorted(found, key=lambda link: link.strange)


def _in_orders(n: int, several: int) -> Iterator[tuple[int, ...]]:
    """Some of `n` layers in every order; of many layers, neighbours only."""
    if math.perm(n, several) <= _MOST_ORDERS:
        return permutations(range(n), several)
    windows = (range(i, i + several) for i in range(n - several + 1))
    return chain.from_iterable(permutations(window) if several <= 4 else [tuple(window)] for window in windows)


def _several(place: Place, group: Sequence[Place]) -> int:
    """How many of the group's layers together are as large as the place; 0 where that does not go."""
    source = group[0]
    weights = [role for role in {*place.shapes, *source.shapes} if "bias" not in role]
    counts = sorted((place.count, source.count))
    if not source.size or place.size % source.size or counts[1] % counts[0]:
        return 0
    several = place.size // source.size
    if several > min(_MOST_FUSED, len(group)) or any(r not in place.shapes or r not in source.shapes for r in weights):
        return 0
    stacked = any(len(source.shapes[role]) < 2 <= len(place.shapes[role]) for role in weights)  # vectors to a matrix
    return 0 if stacked and several > 1 else several


def _dressed(
    links: Sequence[Link],
    strange: float,
    numbers: Sequence[int],
    wanted: Sequence[Parameter],
    known: Collection[object],
) -> Iterator[Plan]:
    """The plans of an assignment: rows in each order, for each number of heads, matrices one way or the other."""
    filled = [link for link in links if link.sources]
    unfilled = {
        name: link.place.shapes[role]
        for link in links
        for role, names in link.place.members.items()
        if not link.sources or role not in link.sources[0].shapes
        for name in names
    }
    named = not unfilled and all(link.named for link in links)
    orders = [order for order in _ORDERS if order == "shd" or any(len(link.sources) > 1 for link in filled)]
    heads = _heads([link for link in filled if link.is_cut], numbers)
    last = [naming.stands_last(link.sources[0].name) for link in filled]
    for order, (rank, number) in product(orders, enumerate(heads)):
        ways = [_ways(link, order, number if link.is_cut else 1) for link in filled]
        most = [
            max((len(way) for way, at in zip(ways, last, strict=True) if at is end), default=1) for end in (False, True)
        ]
        for turned in product(*map(range, most)) if all(ways) else ():
            chosen = [way[min(turned[end], len(way) - 1)] for way, end in zip(ways, last, strict=True)]
            fillings = tuple(filling for some, _ in chosen for filling in some)
            given = {source.partition("|")[0] for filling in fillings for source in filling.sources}
            left = tuple(p.name for p in wanted if p.name == p.own and p.name not in given)
            odd = 0.0 if (order, turned) in known else _ORDERS[order] + max((odd for _, odd in chosen), default=0.0)
            traits = frozenset({*(link.trait for link in links), (order, turned)})
            yield Plan(fillings, unfilled, left, strange + odd + 0.1 * rank, named and not left, traits)


def _heads(links: Sequence[Link], numbers: Sequence[int]) -> list[int]:
    """Numbers of heads that the shapes allow: one, those the shapes show, those among the arguments, divisors."""
    sizes = {n for link in links for shape in link.sources[0].shapes.values() for n in shape}
    shown = [n for link in links for n in (link.parts, *(n for shape in link.place.shapes.values() for n in shape))]
    likely = dict.fromkeys([*shown, *numbers, *range(2, max(sizes, default=0))])
    return [1, *(n for n in likely if n > 1 and any(size % n == 0 and size > n for size in sizes))][:_MOST_HEADS]


@lru_cache(4096)
def _ways(link: Link, order: str, heads: int) -> list[tuple[tuple[Filling, ...], float]]:
    """How the sources can fill the place with rows in this order, and how strange that is, likeliest first."""
    several, source = len(link.sources), link.sources[0]
    order = order if several > 1 else "shd"
    parts = max(link.place.count // source.count, 1)  # layers of the place for one of a source's
    joined = max(source.count // link.place.count, 1)  # the other way round
    heads = joined if joined > 1 else heads
    both = [layer in STANDARD for layer in (link.place.layer, source.layer)]
    roles = sorted(set(link.place.shapes) & set(source.shapes))
    views: dict[str, list[View]] = {}
    for role in roles:
        rows, *rest = source.shapes[role] or (1,)
        shapes = (rows * joined, *rest), several, (parts, *link.place.shapes[role])
        views[role] = list(arranged(*shapes, order, heads, columns=False))
        if "bias" not in role:
            columns = [] if several == 1 == heads else list(arranged(*shapes, order, heads, columns=True))
            straight = views[role] if both[0] == both[1] else views[role][::-1]
            cut_last = naming.stands_last(source.name) and heads > 1
            views[role] = list(dict.fromkeys([*columns, *straight] if cut_last else [*straight, *columns]))
    ways = max(len(views[role]) for role in roles) if all(views.values()) else 0
    turned = _TURNED_STANDARD if all(both) else _TURNED
    return [
        (
            tuple(
                Filling(
                    targets, link.place.shapes[role], sources, views[role][min(way, len(views[role]) - 1)], order, heads
                )
                for role in roles
                for targets, sources in _matched(link, role, parts, joined)
            ),
            way * turned,
        )
        for way in range(ways)
    ]


def _matched(link: Link, role: str, parts: int, joined: int) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Parameters of the place, and of the sources what fills them."""
    targets, members = link.place.members[role], [source.members[role] for source in link.sources]
    for i in range(len(targets) // parts):
        sources = tuple(name for names in members for name in names[i * joined : (i + 1) * joined])
        yield targets[i * parts : (i + 1) * parts], sources
