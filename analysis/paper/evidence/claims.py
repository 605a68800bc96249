"""Claims about numbers, and what becomes of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

HOLDS, FAILS, CLOSE = "holds", "does not hold", "too close to call"
GIVEN, UNTESTABLE = "by construction", "not testable"
# Cases that a verdict names before it only counts.
NAMED = 3
# Repeats that a case needs before it decides anything: two say nothing about how far a third may lie.
ENOUGH = 3


@dataclass(frozen=True)
class Case:
    """One place where a claim can be tested.

    Attributes:
        where: e.g. ``"ResNet-18, Top 50%, 2,000 items"``.
        ok: whether the claim is true there; None where the spread of the repeats leaves it open.
        numbers: what was measured, e.g. ``"alsatian 1.2 s (1.1–1.3), shift 3.4 s (3.3–3.6)"``.
        margin: how clearly, for the order among the cases of one claim; the least clear one has the smallest, and
            the only one NaN.
        repeats: the fewest of any measurement behind it; None for numbers that every repeat would give again.
    """

    where: str
    ok: bool | None
    numbers: str
    margin: float
    repeats: int | None

    @property
    def decides(self) -> bool:
        """Whether there are enough repeats to judge by."""
        return self.repeats is None or self.repeats >= ENOUGH


class Tested(NamedTuple):
    """Cases, and the number of places that were not measured."""

    cases: list[Case]
    missing: int

    @classmethod
    def of(cls, cases: Iterable[Case | None]) -> "Tested":
        """Of the cases of all places, None where nothing was measured."""
        known = list(cases)
        return cls([case for case in known if case], known.count(None))


@dataclass(frozen=True)
class Verdict:
    """What became of one of the paper's claims.

    Attributes:
        figure: number of the figure, or ``"overlap"``.
        claim: in a sentence.
        result: one of the five above.
        numbers: N and the measurements behind it; where it does not hold, those that contradict it.
    """

    figure: str
    claim: str
    result: str
    numbers: str


def judge(
    figure: str, claim: str, cases: Sequence[Case], missing: int = 0, untestable: str = "", construction: str = ""
) -> Verdict:
    """The verdict on ``claim``, which must be true in all ``cases``.

    One case that contradicts it is enough for it not to hold. To hold it needs all cases: one that is missing or
    has too few repeats leaves it open.

    Args:
        figure: number of the figure.
        claim: in a sentence.
        cases: where it was tested.
        missing: number of further places that were not measured.
        untestable: why it cannot be tested at this scale; empty if it can.
        construction: why its numbers follow from what was built, whatever is measured; empty if they do not.
    """
    many = len(cases) > 1

    def verdict(result: str, reason: str, named: Sequence[Case], first: str = "the least clear") -> Verdict:
        words = [reason, _repeats(named), _list(named, first)]
        return Verdict(figure, claim, result, "; ".join(word for word in words if word))

    if untestable:
        return verdict(UNTESTABLE, untestable, cases)
    wrong = [case for case in cases if case.ok is False and case.decides]
    gone = f"{missing} of {missing + len(cases)} not measured" if missing else ""
    if wrong:
        count = f"not in {len(wrong)} of {len(cases)}" if many else ""
        return verdict(FAILS, "; ".join(filter(None, (gone, count))), wrong, "the worst")
    if not cases:
        return verdict(UNTESTABLE, "nothing of it was measured", cases)
    if gone:
        return verdict(UNTESTABLE, gone, cases)
    if construction:
        return verdict(GIVEN, construction, cases)
    if few := [case for case in cases if not case.decides]:
        count = f" in {len(few)} of {len(cases)}" if many else ""
        return verdict(UNTESTABLE, f"fewer than {ENOUGH} repeats{count}", few)
    if close := [case for case in cases if case.ok is None]:
        return verdict(CLOSE, f"in {len(close)} of {len(cases)}" if many else "", close)
    return verdict(HOLDS, f"in all {len(cases)}" if many else "", cases)


def _repeats(cases: Sequence[Case]) -> str:
    """How many repeats the cases rest on, e.g. ``"N=3"``; empty where none were needed."""
    counts = sorted({case.repeats for case in cases if case.repeats is not None})
    return "N=" + " to ".join(dict.fromkeys(map(str, (counts[0], counts[-1])))) if counts else ""


def _list(cases: Sequence[Case], first: str) -> str:
    """The cases, the least clear first where they are too many."""
    texts = [f"{case.where}: {case.numbers}" if case.where else case.numbers for case in cases]
    if len(cases) <= NAMED:
        return "; ".join(texts)
    closest = sorted(range(len(cases)), key=lambda i: cases[i].margin)[:NAMED]
    return f"{first} are {'; '.join(texts[i] for i in closest)}"
