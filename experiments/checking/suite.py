"""What a suite of checks is, how its cases are gone through, and how one that fails is shrunk."""

import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from alsatian.errors import AlsatianError, told

# Seconds for shrinking one failure: what is found by then is said.
SHRINKING_S = 6.0
SAME = "is deterministic"
"""A property that all suites have."""
TRACE = "-- traceback --"
"""Stands before each on the error output."""
Verdicts = Mapping[str, str | None]
"""By property: what is wrong, None if nothing is. Properties that could not be judged are left out."""


class Suite(Protocol):
    """Checks of one subject. Cases are hashable, and their text says what they are."""

    @property
    def subject(self) -> str:
        """As it was chosen, e.g. ``"strategy=base"``."""
        ...

    @property
    def properties(self) -> Sequence[str]:
        """All that are judged, in the order in which they are told."""
        ...

    def cases(self) -> Iterable[Any]:
        """All cases, small ones first."""
        ...

    def smaller(self, case: Any) -> Iterable[Any]:
        """Cases that are a little smaller than ``case``, those that save most first."""
        ...

    def examine(self, case: Any) -> Verdicts:
        """Judge the subject by ``case``."""
        ...


@dataclass(frozen=True)
class Failure:
    """The smallest case found in which a property does not hold, and what is wrong there."""

    case: str
    reason: str


@dataclass(frozen=True)
class Judgement:
    """What became of one property: in how many cases it was judged, and how it failed, if it did."""

    name: str
    cases: int
    failed: int = 0
    failure: Failure | None = None


def judge(suite: Suite, begins: Callable[[str], Any] = lambda case: None) -> list[Judgement]:
    """Judge all properties of ``suite``; ``begins`` is told of every case before it is examined."""
    judged, failed = Counter[str](), Counter[str]()
    first: dict[str, tuple[Any, str]] = {}

    def examined(case: Any) -> Verdicts:
        begins(str(case))
        return suite.examine(case)

    for case in suite.cases():
        for name, reason in examined(case).items():
            judged[name] += 1
            if reason is not None:
                failed[name] += 1
                first.setdefault(name, (case, reason))
    failures = {
        name: Failure(str(case), reason)
        for name, found in first.items()
        for case, reason in [_shrunk(suite, name, *found, examined)]
    }
    return [Judgement(name, judged[name], failed[name], failures.get(name)) for name in suite.properties]


def _shrunk(
    suite: Suite, name: str, case: Any, reason: str, examined: Callable[[Any], Verdicts]
) -> tuple[Any, str]:
    """The smallest case reached from ``case`` by steps that keep the property ``name`` failing."""
    end, seen = time.monotonic() + SHRINKING_S, {case}
    pending = list(suite.smaller(case))
    while pending and time.monotonic() < end:
        if (smaller := pending.pop(0)) in seen:
            continue
        seen.add(smaller)
        if (found := examined(smaller).get(name)) is not None:
            case, reason, pending = smaller, found, list(suite.smaller(smaller))
    return case, reason


def reason_of(error: BaseException) -> str:
    """The line about ``error``; the whole of it goes to the error output."""
    sys.stderr.write("".join([f"{TRACE}\n", *traceback.format_exception(error)]))
    return str(error) if isinstance(error, AlsatianError) else told(error)
