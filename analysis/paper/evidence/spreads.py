"""Whether one number is below another, where both were measured a few times: yes, no, or too close to call."""

from collections.abc import Iterable

from analysis.comparing.measurements import Spread

# True, false, or None where the repeats leave it open.
Answer = bool | None


def below(a: Spread, b: Spread) -> Answer:
    """Whether ``a`` is less than ``b``.

    None where the ranges of the repeats meet, and where the medians differ by less than either range is wide: with
    few repeats, a further one might well lie beyond.
    """
    if abs(a.median - b.median) < max(a.high - a.low, b.high - b.low):
        return None
    if a.high < b.low:
        return True
    return False if b.high < a.low else None


def within(value: Spread, low: float, high: float) -> Answer:
    """Whether ``value`` lies between two numbers."""
    return every((below(exactly(low), value), below(value, exactly(high))))


def exactly(value: float) -> Spread:
    """A number that was not measured."""
    return Spread(value, value, value, 1)


def every(answers: Iterable[Answer]) -> Answer:
    """Whether all are true: one that is false decides, else one that is open leaves it open."""
    known = list(answers)
    if False in known:
        return False
    return None if None in known else True
