"""Plans to fill the student's parameters, likeliest first: by names, by order, by shapes. Bounded in work."""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from itertools import chain, combinations, count, permutations
from typing import NamedTuple

from grader.checks import naming
from grader.checks.fitting import Link, fitted
from grader.checks.layout import Plan
from grader.checks.places import Parameter, Place, places, taken_apart

_MOST_WORK = 50_000  # partial plans looked at
_MOST_ORDERS = 200  # in which layers of one shape may fill one place
_MOST_FUSED = 8  # layers in one
_SPAN = 9.0  # a plan this much stranger than the likeliest is not looked at: two names exchanged, not three
_DISORDER, _LEVEL, _KNOWN = 0.3, 2.0, 0.5  # how strange other things than names are; what was right before is less so
_NO_BIAS, _UNFILLED, _LEFT_OUT = 5.0, 8.0, 10.0


def plans(
    found: Sequence[Parameter], wanted: Sequence[Parameter], numbers: Sequence[int], known: Collection[object] = ()
) -> Iterator[Plan]:
    """Every way found to fill the student's parameters from the reference's, likeliest first.

    `numbers` are the ints among the constructor's arguments, one of which may be the number of heads; `known` are the
    traits of a plan that was right before. For the same layers it is searched once, as far as it is asked for.
    """
    return iter(_searched(tuple(found), tuple(wanted), tuple(numbers), frozenset(known)))


class _Found:
    """What a search has found so far, for everybody who asks; it goes on where somebody asks for more."""

    def __init__(self, search: Iterator[Plan]) -> None:
        self._search = search
        self._plans: list[Plan] = []

    def __iter__(self) -> Iterator[Plan]:
        for at in count():
            if at == len(self._plans):
                if (plan := next(self._search, None)) is None:
                    return
                self._plans.append(plan)
            yield self._plans[at]


@lru_cache(256)  # a class is made by several checks, and a variant of ours under many seeds
def _searched(
    found: tuple[Parameter, ...], wanted: tuple[Parameter, ...], numbers: tuple[int, ...], known: frozenset[object]
) -> _Found:
    return _Found(_search(found, wanted, numbers, known))


def _search(
    found: Sequence[Parameter], wanted: Sequence[Parameter], numbers: Sequence[int], known: Collection[object]
) -> Iterator[Plan]:
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
            for plan in fitted(following[1], following[0], numbers, wanted, known) if following[1] else ():
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
    bit = {place: 1 << i for i, place in enumerate(theirs)}
    takes = [[(link, sum(bit[source] for source in link.sources)) for link in links] for links in choices]
    taken_by_some = {name for links in choices for link in links for source in link.sources for name in source.names}
    wanting = [place for place in theirs if not taken_by_some.isdisjoint(place.names)]
    strange += _LEFT_OUT * (len(theirs) - len(wanting))  # of every plan: said at once, or all else seemed better first
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
            estimate += _LEFT_OUT * sum(given.isdisjoint(place.names) for place in wanting)
            heapq.heappush(waiting, (estimate, next(order), strange, used, links, True))
            continue
        for link, taken in takes[len(links)]:
            estimate = strange + link.strange + at_least[len(links) + 1]
            if estimate > best + _SPAN or next(work) > _MOST_WORK:
                break
            if not taken & used:
                start = (*links, link)
                heapq.heappush(waiting, (estimate, next(order), strange + link.strange, used | taken, start, False))


def _choices(place: Place, theirs: Sequence[Place], known: Collection[object]) -> list[Link]:
    """What may fill the place, least strange first."""
    alike: dict[object, list[Place]] = {}
    names = {source.name for source in theirs}
    for source in theirs:
        alike.setdefault((source.count, tuple(sorted(source.shapes.items()))), []).append(source)
    found = [Link(place, (), _UNFILLED)]
    for group in alike.values():
        several = _several(place, group)
        if several > 1 and place.name in names:
            continue
        missing = _NO_BIAS * len(set(place.shapes) ^ set(group[0].shapes))
        for chosen in _in_orders(len(group), several) if several else ():
            sources = tuple(group[i] for i in chosen)
            odd = naming.strangeness(place.name, tuple(source.name for source in sources))
            named = odd < naming.UNKNOWN
            if not named:
                odd += (several - 1) * naming.UNKNOWN  # each of them may have a place that is called what it is
            if odd > naming.EXACT:
                odd += _DISORDER * sum(a > b for a, b in combinations(chosen, 2))
                odd += _DISORDER * 4 * abs(place.start - sources[0].start)
            if place.name in names and not named:
                odd = max(odd, naming.OPPOSED)  # another has the very name
            if (place.name, *(source.name for source in sources)) in known:
                odd = -_KNOWN
            found.append(Link(place, sources, missing + odd, named))
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
