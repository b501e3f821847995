"""Weights for the student's module: drawn on the trusted side, given to both modules, never asked back.

A plan says how the student's layers are filled from the reference's. Names propose it, the module's own behaviour
decides: with the right plan it computes, for every draw of weights, what the reference computes, or what a known
mistake does. Where nothing decides the likeliest plan is taken, and what is said of the module's numbers says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice, product
from weakref import WeakKeyDictionary

import torch

from grader.checks import naming
from grader.checks.evidence import CheckError
from grader.checks.layout import Gradients, Plan
from grader.checks.places import Parameter, Weights, orderly
from grader.checks.search import plans
from grader.checks.settle import EQUAL, Question, apart, settle
from grader.checks.weights import Probe, asked, built, draw, drawn, integers, load
from grader.errors import Fault, StudentError
from grader.text import clean
from grader.wire.proxy import Port, Remote

_MOST_TRIES = 200  # plans tried on the module's behaviour
_MOST_TRIES_AGAIN = 40  # the same, when all names are the reference's, or a plan was found before
_MOST_TRIES_IN_DOUBT = 8  # the same, when all that many have shown nothing before, or only sizes can be wrong
_SURE = 2.9  # how much stranger the next plan is where names alone decide

Layout = Callable[[dict[str, torch.Tensor]], Weights]

_kept: WeakKeyDictionary[Port, dict[object, Plan]] = WeakKeyDictionary()  # the plans that were right, by class


class Twin(Remote):
    """A student's module filled from the reference's: gradients come back under the reference's names."""

    def __init__(self, module: Remote, plan: Plan, weights: Weights, generator: torch.Generator) -> None:
        super().__init__(module._port, module._target, module._path)
        self._module = module  # alive as long as this
        self._plan = plan
        self._generator = generator
        self.give(weights)

    def give(self, weights: Weights) -> None:
        """Fill the module from these weights of the reference's."""
        self._weights = weights
        load(self, self._plan.fill(weights, self._generator))

    def _recovered(self, parameters: Gradients) -> Gradients:
        return self._plan.recover(parameters, self._weights)


def twins(
    theirs: Remote,
    ours: Remote,
    *args: object,
    probe: Probe = (),
    layouts: Sequence[Layout] = (),
    **kwargs: object,
) -> tuple[Remote, Remote]:
    """Construct both modules with the same arguments and give both the same fresh weights; return (student's,
    reference's) in eval mode.

    `probe` are example arguments of the module's forward, or a question to the module, such as
    `lambda model: model.encode(x)`: the answers show which of its layers is which. A layout, for an unusual module,
    gives the student's parameters from the reference's, both by name. An argument that lives on one side is a function
    of the side: `lambda side: side.torch.nn.Linear(3, 4)`.
    Raises StudentError (layout) when there is no plan, CheckError when the probe shows nothing.
    """
    # The reference answers everything before the student's side is asked, and the same whatever that side is like:
    # its answers can be recorded, and another student's run sees the same weights.
    reference, wanted = built(ours, args, kwargs)
    draws, weights, generator = [draw(wanted), draw(wanted)], draw(wanted), torch.Generator()
    expected = asked(reference, draws, probe) if probe else []
    if probe and not apart(*expected) > EQUAL:
        raise CheckError("the reference's answer to the probe does not depend on its weights")
    load(reference, weights)
    student, found = built(theirs, args, kwargs)
    question = Question(probe, draws, expected, ours, args, kwargs, generator)
    plan = _plan(theirs, student, found, wanted, question, _offered(layouts, found, weights))
    return Twin(student, plan, weights, generator), reference


def _plan(
    theirs: Remote,
    student: Remote,
    found: Sequence[Parameter],
    wanted: Sequence[Parameter],
    question: Question,
    offered: Iterator[Plan],
) -> Plan:
    """How to fill the student's module; what was right is kept for the next one. Raises StudentError (layout)."""
    kept, numbers = _kept.setdefault(theirs._port, {}), [*integers(question.args), *integers(question.kwargs)]
    alike = theirs._path, tuple(found), tuple(wanted), tuple(numbers)
    known = kept[theirs._path].traits if theirs._path in kept else frozenset()
    name = ".".join(theirs._path)
    mine, its = ({parameter.name for parameter in side} for side in (found, wanted))
    searched = plans(found, wanted, numbers, known)
    named = known or mine <= its or its <= mine
    doubted: dict[str, str] = getattr(theirs._port, "doubted", {})
    alone = orderly(wanted) and (mine == its or set(found) <= set(wanted))  # names leave nothing open
    few = name in doubted or alone
    most = _MOST_TRIES_IN_DOUBT if few else _MOST_TRIES_AGAIN if named else _MOST_TRIES
    proposed = chain(filter(None, [kept.get(alike)]), islice(searched, most))
    proposed = chain(offered, _up_to_incomplete(proposed) if alone else proposed)
    plan: Plan | None = None
    tried: list[Plan] = []
    if its <= mine and getattr(theirs._port, "by_name", False):
        fits = {(p.name, p.shape) for p in wanted} <= {(p.name, p.shape) for p in found}
        plan = next(proposed, None) if fits else None
    elif question.probe:
        plan, tried = settle(student, proposed, known, question, same=set(found) == set(wanted) and alone)
    else:
        tried = list(islice(proposed, 2))
    plan = plan or _chosen_by_names(tried)
    no_plan = "" if plan else _no_plan(tried, found, wanted, bool(question.probe))
    if plan is None and question.probe and tried and tried[0].complete:
        plan = tried[0]
        # It is wrong in a way that nobody knows. Its laws can hold all the same, and its other faces be right.
        doubted.setdefault(name, no_plan)
    if plan is None:
        if alone and tried:
            kept[alike] = tried[0]  # the next time it is no better
        raise StudentError(Fault.LAYOUT, no_plan, said=str(sorted(p.shape for p in found)))  # two wrong in one way
    kept[theirs._path] = kept[alike] = plan
    if (accounts := getattr(theirs._port, "accounts", None)) is not None and not plan.plain:
        accounts[name] = plan.told()
    return plan


def redraw(theirs: Remote, ours: Remote) -> None:
    """Give a pair of twins other weights, of another size too: the same ones to both."""
    if not isinstance(theirs, Twin):
        raise CheckError("redraw takes what twins returned: the student's module, then the reference's")
    size = 0.6 + 0.8 * float(torch.rand(()))
    weights = drawn({name: value.shape for name, value in theirs._weights.items()}, size)
    load(ours, weights)
    theirs.give(weights)


def _offered(layouts: Sequence[Layout], found: Sequence[Parameter], weights: Weights) -> Iterator[Plan]:
    """The instructor's layouts that fit: with the names and shapes of the student's parameters."""
    shapes = {parameter.name: parameter.shape for parameter in found if parameter.name == parameter.own}
    for layout in layouts:
        try:
            filled = layout(dict(weights))
            if {name: tuple(value.shape) for name, value in filled.items()} == shapes:
                yield Plan((), layout=layout)
        except Exception:  # made for another module
            continue


def _up_to_incomplete(searched: Iterator[Plan]) -> Iterator[Plan]:
    """The likeliest plan, and others while everything has its place: where a size is wrong nothing better comes."""
    for plan in searched:
        yield plan
        if not plan.complete:
            return


def _chosen_by_names(tried: Sequence[Plan]) -> Plan | None:
    """The likeliest plan where nothing else comes near it, or where there is no other."""
    if not tried or not tried[0].complete:
        return None
    first, *others = tried
    alone = first.layout is not None or not others or (first.named and others[0].strange > first.strange + _SURE)
    return first if alone else None


def _no_plan(tried: Sequence[Plan], found: Sequence[Parameter], wanted: Sequence[Parameter], asked: bool) -> str:
    """The layout found beside the layout expected, and what they lack."""
    what = f"your layers are {_listed(found, wanted)}; expected are {_listed(wanted, found)}"
    if tried and (told := _told(tried[0], found, wanted)):
        return f"{'; '.join(told)}. {what[0].upper()}{what[1:]}"
    if not tried:
        return f"{what}. There is no way of giving them the reference's weights"
    why = "with none your module computes what is asked" if asked else "nothing shows which of them is meant"
    ways = f"{len(tried)} ways" if asked else "several ways"
    return (
        f"{what}. There are {ways} of giving them the reference's weights (one is {clean(tried[0].told(), 300)}), and "
        f"{why}. If the function is wrong the other checks say where; with the skeleton's layer names this one says by "
        "how much"
    )


def _told(plan: Plan, found: Sequence[Parameter], wanted: Sequence[Parameter]) -> list[str]:
    """What the student's module has too much and what it lacks, a layer a sentence."""
    said = []
    filled = {s.removesuffix(".weight"): f.targets[0].removesuffix(".weight") for f in plan.fillings for s in f.sources}
    missing, extra = list(plan.left_out), list(plan.unfilled)
    shapes = {parameter.name: parameter.shape for parameter in wanted}
    for name, mine in product(plan.left_out, plan.unfilled):
        (its, role), (own, own_role) = naming.split(name, 1), naming.split(mine, 1)
        if role == own_role and naming.strangeness(own, (its,)) < naming.UNKNOWN:
            missing, extra = [n for n in missing if n != name], [n for n in extra if n != mine]
            if "bias" not in role and shapes[name] != plan.unfilled[mine]:
                said.append(f"your `{clean(mine, 60)}` is {plan.unfilled[mine]}; {shapes[name]} is expected")
    if len(missing) > 0 and (same := [p for p in found if p.name != p.own]) and all(p.name == p.own for p in wanted):
        said.append(f"your `{clean(same[0].name, 60)}` and `{clean(same[0].own, 60)}` are one and the same")
    for name in missing:
        layer, role = naming.split(name, 1)
        if "bias" in role and layer in filled:
            said.append(f"your `{clean(filled[layer], 60)}` has no bias; the assignment asks for one")
        elif "bias" not in role:
            said.append(f"nothing of yours holds the weights of `{layer}`")
    for name in extra:
        layer, role = naming.split(name, 1)
        if "bias" not in role:
            said.append(f"the assignment has nothing like your `{clean(name.removesuffix('.weight'), 60)}`")
        elif f"{layer}.weight" not in plan.unfilled:
            said.append(f"your `{clean(layer, 60)}` has a bias; the assignment asks for none")
    return list(dict.fromkeys(said))[:6]


def _listed(parameters: Sequence[Parameter], others: Sequence[Parameter]) -> str:
    """Those that the other side has not."""
    alike = {(p.name, p.shape) for p in others}
    named = [f"{p.name} {p.shape}" for p in parameters if p.name == p.own and (p.name, p.shape) not in alike]
    both = sum(p.name == p.own and (p.name, p.shape) in alike for p in parameters)
    more = [f"{len(named) - 16} more"] if len(named) > 16 else []
    more += [f"{both} alike on both sides"] if both else []
    listed = clean(", ".join(named[:16]), 600)
    return " and ".join(filter(None, [listed, *more])) or "none"
