"""Claims about numbers, and what becomes of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

HOLDS, FAILS, UNTESTABLE = "holds", "does not hold", "not testable at this scale"
# Cases that a verdict names before it only counts.
NAMED = 3


@dataclass(frozen=True)
class Case:
    """One place where a claim can be tested.

    Attributes:
        where: e.g. ``"ResNet-18, Top 50%, 2,000 items"``.
        ok: whether the claim is true there.
        numbers: what was measured, e.g. ``"alsatian 1.2 s, shift 3.4 s"``.
        margin: how clearly, for the order among the cases of one claim; the least clear one has the smallest.
    """

    where: str
    ok: bool
    numbers: str
    margin: float


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
        result: ``"holds"``, ``"does not hold"`` or ``"not testable at this scale"``.
        numbers: the measurements behind it; where it does not hold, those that contradict it.
    """

    figure: str
    claim: str
    result: str
    numbers: str


def judge(figure: str, claim: str, cases: Sequence[Case], missing: int = 0, untestable: str = "") -> Verdict:
    """The verdict on ``claim``, which must be true in all ``cases``.

    Args:
        figure: number of the figure.
        claim: in a sentence.
        cases: where it was tested.
        missing: number of further places that were not measured.
        untestable: why it cannot be tested at this scale; empty if it can.
    """
    gone = f"; {missing} of {missing + len(cases)} not measured" if missing else ""
    if not cases:
        return Verdict(figure, claim, UNTESTABLE, "nothing of it was measured")
    if untestable:
        return Verdict(figure, claim, UNTESTABLE, f"{untestable}; {_list(cases)}{gone}")
    wrong = [case for case in cases if not case.ok]
    many = len(cases) > 1
    if wrong:
        count = f"not in {len(wrong)} of {len(cases)}: " if many else ""
        return Verdict(figure, claim, FAILS, f"{count}{_list(wrong, 'the worst')}{gone}")
    return Verdict(figure, claim, HOLDS, f"{f'in all {len(cases)}: ' if many else ''}{_list(cases)}{gone}")


def _list(cases: Sequence[Case], first: str = "the least clear") -> str:
    """The cases, the least clear first where they are too many."""
    texts = [f"{case.where}: {case.numbers}" if case.where else case.numbers for case in cases]
    if len(cases) <= NAMED:
        return "; ".join(texts)
    closest = sorted(range(len(cases)), key=lambda i: cases[i].margin)[:NAMED]
    return f"{first} are {'; '.join(texts[i] for i in closest)}"
