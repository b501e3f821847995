"""One answer, looked at from several sides: `same` holds a student's function or module against the reference.

The reference is asked first, and asked the same whatever the student's code answers: its answers can be recorded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch

from grader.checks.compare import close
from grader.checks.evidence import CheckError, CheckFailed, compared
from grader.checks.expected import GRADIENT, Expected, Face, Question, ask_reference, gradients_named
from grader.checks.sampling import furthest_apart
from grader.checks.tolerance import difference, named
from grader.checks.unchanged import Watched, arguments_unchanged, surroundings_unchanged, watched
from grader.errors import Fault, StudentError
from grader.wire.proxy import Remote, gradients

_FALSE_ALARM = 1e-7  # of one look at dropout; a check has less than ten
_SHARES = {Face.VALUES: 4.0, Face.GRADIENTS: 2.0}  # each other face 1
_ASKED = {  # when this face alone makes the code raise
    Face.GRADIENTS: "when gradients are asked for,",
    Face.ROWS: "given one row of the batch alone,",
    Face.DROPOUT: "in training mode",
}
_AGAINST_REFERENCE = (Face.VALUES, Face.GRADIENTS, Face.DROPOUT)


def same(
    theirs: Remote,
    ours: Remote,
    *args: Any,
    what: str = "the output",
    only: Collection[str] = tuple(Face),
    off: Collection[str] = (),
    shares: Mapping[str, float] | None = None,
    rtol: float | None = None,
    **kwargs: Any,
) -> None:
    """Pass when a function or module of the student's equals the reference's on these arguments, from every side.

    Looks at the faces in `only` that are not in `off`, and not at those that do not apply: rows of a batch of one,
    gradients of whole numbers, dropout where the reference has none. `shares` weighs faces: values 4, gradients 2 and
    others 1 where it says nothing else. `rtol` widens the measured allowance to this share of a tensor's largest value.

    Raises CheckFailed with one sentence for each face that failed; `earned` is the share of those that held. What
    holds the student's answer against itself alone earns only where values or gradients are right: nothing is easier
    than to be the same each time.
    """
    looked = [face for face in Face if face in {*map(Face, only)} - {*map(Face, off)}]
    weight = {**_SHARES, **{Face(name): share for name, share in (shares or {}).items()}}
    expected = ask_reference(ours, Question(args, kwargs, what), looked, rtol)
    looked = [face for face in looked if expected.applies(face)]
    if not looked:
        raise CheckError(f"{what}: no face is left to look at")
    plain = watched(theirs, *args, **kwargs) if {*looked} - {Face.GRADIENTS, Face.DROPOUT} else None
    sight = _Sight(theirs, expected, looked, plain)
    failed = {face: error for face in looked if (error := sight.look(face)) is not None}
    if not failed:
        return
    right = any(face in looked and face not in failed for face in (Face.VALUES, Face.GRADIENTS))
    held = [face for face in looked if face not in failed and (right or face in _AGAINST_REFERENCE)]
    earned = sum(weight.get(face, 1.0) for face in held) / sum(weight.get(face, 1.0) for face in looked)
    raise _told(failed, earned)


def _told(failed: Mapping[Face, CheckFailed], earned: float) -> CheckFailed:
    """All that failed as one failure: what follows from something already said is left out."""
    said = dict(failed)
    if (values := failed.get(Face.VALUES)) is not None:
        said.pop(Face.DROPOUT, None)
        if values.pair is None or (Face.GRADIENTS in failed and failed[Face.GRADIENTS].pair is not None):
            said.pop(Face.GRADIENTS, None)
    if Face.REPEATABLE in failed:
        said.pop(Face.ROWS, None)
    sentences = [error.message.rstrip(".") for error in said.values()]
    words = ". ".join([sentences[0], *(s[0].upper() + s[1:] for s in sentences[1:])])
    picture = next((error.picture for error in said.values() if error.picture), None)
    ratio = next((error.ratio for error in said.values() if error.ratio is not None), None)
    return CheckFailed(words, picture, pair=values.pair if values else None, ratio=ratio, earned=earned)


class _Sight:
    """The student's side: what each face shows. A method per face raises CheckFailed, or what the call raises."""

    def __init__(self, theirs: Remote, expected: Expected, looked: Collection[Face], first: Watched | None) -> None:
        self._theirs = theirs
        self._expected = expected
        self._question = expected.question
        self._looked = looked
        self._first = first or Watched(None, (), {}, (), history=False)
        self._own = named(self._first.output, expected.question.what)
        self._again: tuple[str | None, str | None] | None = None  # what is wrong when it is asked again, and strided

    def look(self, face: Face) -> CheckFailed | None:
        """Why this face fails, None where it holds. An error other than an exception in their code goes out."""
        try:
            getattr(self, face.value)()
        except CheckFailed as failed:
            return failed
        except StudentError as error:
            if error.fault is not Fault.RAISED:
                raise
            return CheckFailed(f"{_ASKED.get(face, '')} {error.message}")
        return None

    def values(self) -> None:
        close(self._first.output, self._expected.output, self._question.what, allowed=self._expected.allowed)

    def gradients(self) -> None:
        question, expected = self._question, self._expected
        found = gradients(
            self._theirs,
            *question.args,
            wrt=expected.wrt,
            cotangent=expected.cotangent,
            **question.kwargs,
        )
        answers = gradients_named(expected.wrt, found.inputs, found.parameters)
        wanted = expected.gradients.items()
        missing = [n for n, g in wanted if n not in answers and g.abs().max().item() > expected.allowed[n]]
        if missing:
            names = [name.removeprefix(GRADIENT) for name in missing]
            *first, last = names if len(names) < 4 else [*names[:3], "others"]
            listed = f"{', '.join(first)} and {last}" if first else last
            raise CheckFailed(f"no gradient reaches {listed}: something between there and the output is detached")
        for name, gradient in wanted:
            close(answers.get(name, torch.zeros_like(gradient)), gradient, name, allowed=expected.allowed)

    def unchanged(self) -> None:
        arguments_unchanged(self._first, self._question.args, self._question.kwargs)

    def surroundings(self) -> None:
        surroundings_unchanged(self._first)

    def repeatable(self) -> None:
        if (where := self._asked_again()[0]) is not None:
            raise CheckFailed(f"asked the same twice, {where}")

    def strided(self) -> None:
        if (where := self._asked_again()[1]) is not None:
            raise CheckFailed(f"given the same numbers in tensors that are not contiguous, {where}")

    def _asked_again(self) -> tuple[str | None, str | None]:
        """One call shows that both are right; which of them is wrong takes another."""
        if self._again is None:
            where = self._other(strided=Face.STRIDED in self._looked)
            plain = self._other(strided=False) if where is not None else None
            self._again = (plain, None) if plain is not None else (None, where)
        return self._again

    def _other(self, *, strided: bool) -> str | None:
        try:
            again = named(self._question.ask(self._theirs, strided=strided), self._question.what)
        except StudentError as error:
            if error.fault is not Fault.RAISED:
                raise
            return error.message
        return next(
            (f"in {n} {where}" for n in self._own if (where := self._moved(n, self._own[n], again.get(n)))), None
        )

    def rows(self) -> None:
        for row in self._expected.rows:
            alone = named(self._question.rows([row]).ask(self._theirs), self._question.what)
            for name in self._expected.per_row:
                whole = self._own.get(name)
                if whole is None or whole.dim() == 0 or len(whole) != self._question.batch:
                    continue  # the values say so
                if (where := self._moved(name, whole[row : row + 1], alone.get(name))) is not None:
                    raise CheckFailed(f"row {row} alone has another answer than among the batch: in {name} {where}")

    def dropout(self) -> None:
        expected, name = self._expected, self._expected.main
        if expected.drops is None:
            return
        try:
            found = expected.ask_dropped(self._theirs.train(), len(expected.drops))
        finally:
            self._theirs.eval()
        if found is None:
            raise CheckFailed(f"in training mode {name} has another shape, or holds values that are not finite")
        compared()
        column = furthest_apart(found, expected.drops, 4 * expected.allowed[name], _FALSE_ALARM)
        if column is not None:
            words = _spread(found, expected.drops, column, expected.named[name].shape[1:])
            raise CheckFailed(f"in training mode, asked {len(found)} times the same, {name} {words}")

    def _moved(self, name: str, before: torch.Tensor, after: torch.Tensor | None) -> str | None:
        return difference(before, after, self._expected.allowed.get(name, 0.0))


def _spread(theirs: torch.Tensor, ours: torch.Tensor, column: int, shape: torch.Size) -> str:
    """What differs most between two samples (R, n + 1) of `shape`, in words."""
    if (theirs == theirs[0]).all():
        return "is the same every time: nothing is dropped"
    (mean, spread), (wanted, usual) = ((s[:, column].mean().item(), s[:, column].std().item()) for s in (theirs, ours))
    if column == shape.numel():
        return f"moves by {mean:.3g} on the average; {wanted:.3g} is expected"
    place = (torch.arange(shape.numel()) == column).reshape(shape).nonzero()[0].tolist()
    return f"at {place} is {mean:.3g} ± {spread:.3g}; {wanted:.3g} ± {usual:.3g} is expected"
