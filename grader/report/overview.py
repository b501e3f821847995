"""A class at a glance: counts, the middle, a histogram, the hardest checks and what went wrong most often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from urllib.parse import quote

from grader.errors import Fault
from grader.records import Outcome, Result, Status
from grader.report.shown import has_score
from grader.report.words import OUTCOMES, STATUSES, Words, headline, part_of, whole_percent

MOST = 8  # lines of a "most common" list
MARKS = {
    Outcome.PASSED: "✓",
    Outcome.PARTIAL: "◐",
    Outcome.FAILED: "✗",
    Outcome.SKIPPED: "\N{EN DASH}",
    Outcome.ERROR: "!",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """One check of one submission, as a single character."""

    sign: str
    tone: str
    tip: str


@dataclass(frozen=True, slots=True)
class Row:
    """One submission in the table."""

    link: str
    notebook: str | None  # with result cards in it
    result: Result
    words: Words
    score: str | None  # None: not graded
    percent: int | None
    marks: tuple[Mark, ...]
    passed: int


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar of the histogram."""

    low: int
    high: int
    count: int
    height: int  # percent of the highest bar


@dataclass(frozen=True, slots=True)
class Rate:
    """How often one check passed."""

    id: str
    title: str
    hidden: bool
    passed: int
    tried: int  # without those the grader could not run
    percent: int


@dataclass(frozen=True, slots=True)
class Frequent:
    """Something said to several students."""

    title: str
    text: str
    count: int


@dataclass(frozen=True, slots=True)
class Overview:
    """All that the class page shows."""

    rows: tuple[Row, ...]
    counts: tuple[tuple[Words, int], ...]
    scored: int
    mean: str | None
    median: str | None
    top: str
    bins: tuple[Bin, ...]
    rates: tuple[Rate, ...]  # hardest first
    diagnoses: tuple[Frequent, ...]
    messages: tuple[Frequent, ...]
    forbidden: tuple[Frequent, ...]


def overview(results: Sequence[Result]) -> Overview:
    """Return what the class page shows of `results`, which are as `shown` returns them."""
    scored = [result for result in results if has_score(result)]
    scores, top = [result.score for result in scored], max((result.max_score for result in results), default=0.0)
    states = Counter(result.status for result in results)
    return Overview(
        rows=tuple(_row(result) for result in results),
        counts=tuple((STATUSES[status], states[status]) for status in Status if states[status]),
        scored=len(scored),
        mean=part_of(fmean(scores), top) if scores else None,
        median=part_of(median(scores), top) if scores else None,
        top=part_of(top, top),
        bins=_bins(scored),
        rates=_rates(results),
        diagnoses=_frequent(_diagnoses(results)),
        messages=_frequent(_messages(results)),
        forbidden=_frequent(_forbidden(results)),
    )


def _row(result: Result) -> Row:
    scored = has_score(result)
    checks = result.checks
    folder = quote(result.folder, safe="", errors="replace")
    return Row(
        link=f"{folder}/report.html",
        notebook=f"{folder}/feedback.ipynb" if result.feedback else None,
        result=result,
        words=headline(result),
        score=part_of(result.score, result.max_score) if scored else None,
        percent=whole_percent(result.score, result.max_score) if scored else None,
        marks=tuple(
            Mark(MARKS[check.status], OUTCOMES[check.status].tone, f"{check.title}: {OUTCOMES[check.status].label}")
            for check in checks
        ),
        passed=sum(check.status is Outcome.PASSED for check in checks),
    )


def _bins(scored: Sequence[Result]) -> tuple[Bin, ...]:
    shares = [share for result in scored if (share := whole_percent(result.score, result.max_score)) is not None]
    counts = Counter(min(share // 10, 9) for share in shares)
    most = max(counts.values(), default=0)
    return tuple(
        Bin(10 * n, 100 if n == 9 else 10 * n + 9, counts[n], round(100 * counts[n] / max(most, 1))) for n in range(10)
    )


def _rates(results: Sequence[Result]) -> tuple[Rate, ...]:
    checks = {check.id: check for result in results for check in result.checks}
    tried, passed = Counter[str](), Counter[str]()
    for result in results:
        for check in result.checks:
            tried[check.id] += check.status is not Outcome.ERROR
            passed[check.id] += check.status is Outcome.PASSED
    rates = [
        Rate(
            name,
            check.title,
            check.visibility != "public",
            passed[name],
            tried[name],
            100 * passed[name] // max(1, tried[name]),
        )
        for name, check in checks.items()
        if tried[name]
    ]
    return tuple(sorted(rates, key=lambda rate: rate.passed / rate.tried))


def _frequent(said: Iterable[tuple[str, str]]) -> tuple[Frequent, ...]:
    return tuple(Frequent(title, text, count) for (title, text), count in Counter(said).most_common(MOST))


def _diagnoses(results: Sequence[Result]) -> Iterable[tuple[str, str]]:
    """Yield each diagnosis once for each submission, however many checks show it."""
    for result in results:
        yield from {("", check.diagnosis.title): None for check in result.checks if check.diagnosis}


def _messages(results: Sequence[Result]) -> Iterable[tuple[str, str]]:
    for result in results:
        if result.message:
            yield STATUSES[result.status].label, result.message
        for check in result.checks:
            told = check.diagnosis or check.fault == Fault.FORBIDDEN or check.status is Outcome.SKIPPED
            if check.message and not told:
                yield check.title, check.message


def _forbidden(results: Sequence[Result]) -> Iterable[tuple[str, str]]:
    for result in results:
        found = [check.message for check in result.checks if check.fault == Fault.FORBIDDEN]
        yield from {(result.submission, text): None for text in found if text}
