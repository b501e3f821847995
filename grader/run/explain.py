"""Why checks failed: marks that follow through from an earlier mistake, and known mistakes that give the same answers.

A failed case is run again under its own seed. With the student's own earlier parts in the solution's place: what then
passes was right, and failed only through them. With known mistakes in the student's place: one that gives every answer
the student gave names the mistake. No match, no claim.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from grader.assignment import Assignment
from grader.checks.declare import Check, Mistake
from grader.checks.detect import detect
from grader.checks.evidence import CheckFailed, gathering
from grader.records import Diagnosis
from grader.run.local import LocalPort, ReferencePort, overlay
from grader.run.own import OwnParts
from grader.run.trace import DiffersError, Exchange, PlayedBackPort, ReplayPort, SeededPort, sizes_of, subjects_of

_MOST_PAIRS = 200  # pairs of mistakes tried for one submission


@dataclass(slots=True)
class Failure:
    """A failed case, and how to run it again with others in the place of student and reference."""

    check: Check
    error: Exception
    run: Callable[[SeededPort, SeededPort], None]
    answers: Sequence[Exchange]  # the student's
    asked: Sequence[Exchange]  # of the reference
    public: bool
    followed: tuple[str, ...] = ()  # names of the student's earlier parts through which alone it failed
    diagnosis: Diagnosis | None = None

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
    _pairs: dict[tuple[str, ...], LocalPort | None] = field(default_factory=dict)

    def explain(self) -> None:
        """Set `followed` and `diagnosis` of each failure. A student's side that ends meanwhile explains nothing."""
        penalised = {name for failure in self.failures for name in failure.subjects} | set(self.assignment.parts)
        for failure in self.failures:
            earlier = (penalised & set(self.student.names)) - failure.subjects
            names = [name for name in (*self.assignment.parts, *self.assignment.names) if name in earlier]
            failure.followed = self._follows(failure, names) if names else ()
        self._diagnose([failure for failure in self.failures if not failure.followed])

    def _follows(self, failure: Failure, names: Sequence[str]) -> tuple[str, ...]:
        """The student's own parts with which the check holds, if it does."""
        parts = OwnParts(self.student, self.assignment, names)
        try:
            with gathering() as evidence:
                failure.run(self.student, LocalPort(parts.namespace))
        except Exception:
            return ()
        return parts.used() if evidence.compared else ()

    def _diagnose(self, failures: Sequence[Failure]) -> None:
        found: list[tuple[Failure, list[tuple[str, ...]]]] = []
        known: dict[tuple[str, ...], int] = {}  # mistakes that explain something, with how much
        for failure in failures:
            matches = [ids for ids in known if self._reproduces(ids, failure)] or self._search(failure, list(known))
            found.append((failure, matches))
            for ids in matches:
                known[ids] = known.get(ids, 0) + 1
        for failure, matches in found:
            failure.diagnosis = self._choose(matches, known, failure) or _detected(failure)

    def _search(self, failure: Failure, known: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
        """Single mistakes that give the student's answers; where there is none, pairs of them."""
        if not any(exchange.told for exchange in failure.answers):
            return []
        open_ids = [name for name in self.reference.mistakes if not self._refuted(name, failure)]
        singles: list[tuple[str, ...]] = [(name,) for name in open_ids if self._reproduces((name,), failure)]
        return singles or [ids for ids in self._pairs_of(open_ids, known) if self._reproduces(ids, failure)][:1]

    def _pairs_of(self, names: Sequence[str], known: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
        """Pairs, those with a mistake that was seen already first, a bounded number in all."""
        seen = {name for ids in known for name in ids}
        pairs = sorted(itertools.combinations(names, 2), key=lambda pair: -len(seen.intersection(pair)))
        for pair in pairs:
            if pair not in self._pairs and len(self._pairs) >= _MOST_PAIRS:
                continue
            yield pair

    def _refuted(self, name: str, failure: Failure) -> bool:
        """Whether a check that the mistake would fail was passed by the very name in question."""
        mistake = self.reference.mistakes[name]
        if mistake.replaces not in failure.subjects:
            return False  # the student wrote this part again, inside what was asked
        return any(mistake.replaces in self.passed.get(check, ()) for check in mistake.caught_by)

    def _reproduces(self, ids: tuple[str, ...], failure: Failure) -> bool:
        port = self._port(ids)
        if port is None or any(self._refuted(name, failure) for name in ids):
            return False
        replay = ReplayPort(port, [exchange.answer for exchange in failure.answers if exchange.told])
        try:
            with gathering():
                failure.run(replay, PlayedBackPort(self.reference, failure.asked))
        except DiffersError:
            return False
        except Exception:
            return replay.finished
        return False

    def _port(self, ids: tuple[str, ...]) -> LocalPort | None:
        if len(ids) == 1:
            return dict(self.reference.specimens)[ids[0]]
        if ids not in self._pairs:
            try:
                self._pairs[ids] = LocalPort(overlay(self.assignment, *ids)[1], as_student=True)
            except TypeError:
                self._pairs[ids] = None
        return self._pairs[ids]

    def _choose(
        self, matches: Sequence[tuple[str, ...]], known: Mapping[tuple[str, ...], int], failure: Failure
    ) -> Diagnosis | None:
        """The mistake that explains most, in what was asked before in what it is built on; none where two tie."""

        def strength(ids: tuple[str, ...]) -> tuple[bool, int]:
            return all(self.reference.mistakes[i].replaces in failure.subjects for i in ids), known[ids]

        ranked = sorted(matches, key=strength, reverse=True)
        if not ranked or (len(ranked) > 1 and strength(ranked[0]) == strength(ranked[1])):
            return None
        return _named([self.reference.mistakes[name] for name in ranked[0]])


def _named(mistakes: Sequence[Mistake]) -> Diagnosis:
    return Diagnosis(
        "+".join(mistake.id for mistake in mistakes),
        ". And: ".join(mistake.title for mistake in mistakes),
        " ".join(mistake.hint for mistake in mistakes),
    )


def _detected(failure: Failure) -> Diagnosis | None:
    """What kind of difference it is. Said of public checks only: the words hold numbers of the inputs."""
    if not failure.public or not isinstance(failure.error, CheckFailed) or failure.error.pair is None:
        return None
    return detect(*failure.error.pair, sizes_of(failure.answers))
