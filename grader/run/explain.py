"""Why checks failed: marks that follow through from an earlier mistake, and known mistakes that give the same answers.

A failed case is run again under its own seed. With the student's own earlier parts in the solution's place: what then
passes was right, and failed only through them. With known mistakes in the student's place: one that gives every answer
the student gave names the mistake. No match, no claim.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from grader.assignment import Assignment
from grader.checks.declare import Check, Mistake
from grader.checks.detect import detect
from grader.checks.evidence import CheckFailed, gathering
from grader.errors import Fault, StudentError
from grader.records import Diagnosis
from grader.run.local import LocalPort, overlay
from grader.run.own import OwnParts
from grader.run.reference import ReferencePort
from grader.run.trace import (
    DiffersError,
    Exchange,
    ReplayPort,
    SeededPort,
    finite,
    says_something,
    sizes_of,
    subjects_of,
)
from grader.wire.values import Handle

_MOST_PAIRS = 200  # that are tried for one failure: of more than these some would be a guess
_MOST_FAILURES = 2  # failures for which pairs are tried in vain

Ids = tuple[str, ...]  # a mistake, or one laid over another


@dataclass(slots=True)
class Failure:
    """A failed case, and how to run it again with others in the place of student and reference."""

    check: Check
    error: Exception
    run: Callable[[SeededPort, SeededPort], None]
    answers: Sequence[Exchange]  # the student's
    public: bool
    doubted: bool = False  # its module was filled in the likeliest way: numbers of it may be off for that alone
    followed: tuple[str, ...] = ()  # names of the student's earlier parts through which alone it failed
    diagnosis: Diagnosis | None = None

    @property
    def telling(self) -> bool:
        """Whether a mistake that fails here with other answers than the student's is another mistake.

        Not where the student's code raised, or gave numbers that are none: that depends on how it is written. Nor where
        a module was asked that has weights of its own: nobody else gives its answers.
        """
        made = any(e.op == "call" and isinstance(e.answer, Handle) for e in self.answers)
        seeded = not made or any(e.op == "load" for e in self.answers)
        return (
            seeded
            and not self.doubted
            and not isinstance(self.error, StudentError)
            and all(finite(e.answer) for e in self.answers)
        )

    @property
    def told(self) -> list[object]:
        """The answers that the check looks at."""
        return [exchange.answer for exchange in self.answers if exchange.told]

    @property
    def subjects(self) -> frozenset[str]:
        """The names of the student's file that the check itself asks for."""
        return subjects_of(self.answers)


@dataclass(slots=True)
class Explainer:
    """One submission's failures, explained."""

    assignment: Assignment
    reference: ReferencePort
    student: SeededPort
    failures: Sequence[Failure]
    passed: Mapping[str, frozenset[str]]  # checks that earned everything, with the names they ask for
    _ports: dict[Ids, LocalPort] = field(default_factory=dict)
    _hopeless: int = 0  # failures that neither a mistake nor a pair explained

    def explain(self) -> None:
        """Set `followed` and `diagnosis` of each failure. A student's side that ends meanwhile explains nothing."""
        self._ports = {(name,): port for name, port in self.reference.specimens}
        penalised = {name for failure in self.failures for name in failure.subjects} | set(self.assignment.parts)
        for failure in self.failures:
            earlier = (penalised & set(self.student.names)) - failure.subjects
            names = [name for name in (*self.assignment.parts, *self.assignment.names) if name in earlier]
            failure.followed = self._follows(failure, names) if names else ()
        left = [failure for failure in self.failures if not failure.followed]
        right = {f.check.id: f.subjects for f in self.failures if f.check.id not in {other.check.id for other in left}}
        self.passed = {**self.passed, **right}  # what only follows through is right itself
        self._diagnose(left)

    def _follows(self, failure: Failure, names: Sequence[str]) -> tuple[str, ...]:
        """The student's own parts with which the check holds, or with which the solution itself gives every answer
        that the student gave; none where neither is so.
        """
        parts = OwnParts(self.student, self.assignment, names)
        try:
            with gathering() as evidence:
                failure.run(self.student, LocalPort(parts.namespace))
            return parts.used() if evidence.compared else ()
        except Exception:
            if isinstance(failure.error, StudentError) or not all(map(says_something, failure.told)):
                return ()  # to fail alike proves nothing: what is not written fails, too
            parts = OwnParts(self.student, self.assignment, names)
        mine = LocalPort(parts.namespace, as_student=True)
        return parts.used() if self._answers_alike(mine, failure) else ()

    def _diagnose(self, failures: Sequence[Failure]) -> None:
        matches: list[list[Ids]] = []
        for failure in failures:
            known = list(dict.fromkeys(ids for found in matches for ids in found))
            again = [ids for ids in known if self._reproduces(ids, failure)]
            matches.append(again or self._search(failure, known))
        kept = [
            [ids for ids in found if not self._contradicted(ids, failure, failures, matches)]
            for failure, found in zip(failures, matches, strict=True)
        ]
        for failure, found in zip(failures, kept, strict=True):
            failure.diagnosis = self._choose(found, kept, failure) or _detected(failure)

    def _contradicted(
        self, ids: Ids, failure: Failure, failures: Sequence[Failure], matches: Sequence[Sequence[Ids]]
    ) -> bool:
        """Whether the mistake fails another check of the same part in another way: then it only looks like it."""
        return any(
            failure.subjects & other.subjects
            and other.telling
            and not any(set(ids) <= set(more) for more in found)
            and self._fails(ids, other)
            and not self._reproduces(ids, other)
            for other, found in zip(failures, matches, strict=True)
        )

    def _search(self, failure: Failure, known: Sequence[Ids]) -> list[Ids]:
        """Single mistakes that give the student's answers; where there is none, pairs of them."""
        fault, raised = Fault.RAISED, ""
        if isinstance(failure.error, StudentError):
            fault, raised = failure.error.fault, failure.error.exception or ""
        if fault is not Fault.RAISED or not failure.told or not all(map(says_something, failure.told)):
            return []  # a process that died, or a name that is not there, gives no answers to compare
        if "NotImplementedError" in raised.split():
            return []  # what is not written yet is no mistake
        used = self.reference.reach(failure.subjects)
        known_here = [name for name, mistake in self.reference.mistakes.items() if mistake.replaces in used]
        names = [name for name in known_here if not self._refuted(name, failure)]
        fitting = [name for name in names if self._can_fail(name, failure)]
        singles: list[Ids] = [(name,) for name in fitting if self._reproduces((name,), failure)]
        return singles or self._pairs_for(failure, names, known)

    def _pairs_for(self, failure: Failure, names: Sequence[str], known: Sequence[Ids]) -> list[Ids]:
        """Pairs with a mistake that was seen already, or all of in what the check asks for, where these are few."""
        seen = {name for ids in known for name in ids}
        inside = {name for name in names if self.reference.mistakes[name].replaces in failure.subjects}
        pairs = [pair for pair in itertools.permutations(names, 2) if not self.reference.hides(pair[1], pair[0])]
        likely = [pair for pair in pairs if seen.intersection(pair)] or [p for p in pairs if inside.issuperset(p)]
        found: dict[frozenset[str], Ids] = {}
        if self._hopeless < _MOST_FAILURES and len(likely) <= _MOST_PAIRS:
            for pair in likely:
                if frozenset(pair) not in found and self._reproduces(pair, failure):
                    found[frozenset(pair)] = pair
            self._hopeless += not found
        return list(found.values())

    def _can_fail(self, name: str, failure: Failure) -> bool:
        """Whether the mistake fails this check: `grader validate` proves that one in what is asked for says so."""
        mistake = self.reference.mistakes[name]
        return failure.check.id in mistake.caught_by or mistake.replaces not in failure.subjects

    def _refuted(self, name: str, failure: Failure) -> bool:
        """Whether a check that the mistake would fail was passed by the very name in question."""
        mistake = self.reference.mistakes[name]
        if mistake.replaces not in failure.subjects:
            return False  # the student wrote this part again, inside what was asked
        return any(mistake.replaces in self.passed.get(check, ()) for check in mistake.caught_by)

    def _reproduces(self, ids: tuple[str, ...], failure: Failure) -> bool:
        refuted = any(self._refuted(name, failure) for name in ids)
        return not refuted and self._answers_alike(self._port(ids), failure)

    def _answers_alike(self, port: SeededPort, failure: Failure) -> bool:
        """Whether the check fails with `port` for the student, which gives every answer that the student gave."""
        replay = ReplayPort(port, failure.told)
        try:
            with gathering():
                failure.run(replay, self.reference)
        except DiffersError:
            return False
        except Exception:
            return replay.finished
        return False

    def _fails(self, ids: Ids, failure: Failure) -> bool:
        """Whether the mistake fails the check at all."""
        try:
            with gathering():
                failure.run(ReplayPort(self._port(ids), None), self.reference)
        except (DiffersError, Exception):
            return True
        return False

    def _port(self, ids: Ids) -> LocalPort:
        if ids not in self._ports:
            self._ports[ids] = LocalPort(overlay(self.assignment, *ids)[1], as_student=True)
        return self._ports[ids]

    def _choose(self, found: Sequence[Ids], kept: Sequence[Sequence[Ids]], failure: Failure) -> Diagnosis | None:
        """The mistake that explains most, in what the check asks for before what that is built on; no tie is broken."""

        def strength(ids: Ids) -> tuple[bool, int]:
            inside = all(self.reference.mistakes[name].replaces in failure.subjects for name in ids)
            return inside, sum(ids in others for others in kept)

        ranked = sorted(found, key=strength, reverse=True)
        if not ranked or (len(ranked) > 1 and strength(ranked[0]) == strength(ranked[1])):
            return None
        return _named([self.reference.mistakes[name] for name in sorted(ranked[0])])


def _named(mistakes: Sequence[Mistake]) -> Diagnosis:
    return Diagnosis(
        "+".join(mistake.id for mistake in mistakes),
        ". And: ".join(mistake.title for mistake in mistakes),
        " ".join(mistake.hint for mistake in mistakes),
    )


def _detected(failure: Failure) -> Diagnosis | None:
    """What kind of difference it is. Said of public checks only: the words hold numbers of the inputs."""
    if (
        not failure.public
        or failure.doubted
        or not isinstance(failure.error, CheckFailed)
        or failure.error.pair is None
    ):
        return None
    return detect(*failure.error.pair, sizes_of(failure.answers))
