"""How long a search would take at least, by terms in seconds; :mod:`alsatian.costs.limit` makes it."""

from alsatian.records.base import Record, Seconds


class Limit(Record):
    """The physical limit of a search: reading beside everything else, which follows one another.

    Attributes:
        reading_s: every distinct block once, at the store's bandwidth.
        inference_s: every distinct block once on every item that needs it.
        decoding_s: every item once for each preprocessing.
        scoring_s: all scores.
    """

    reading_s: Seconds
    inference_s: Seconds
    decoding_s: Seconds
    scoring_s: Seconds

    @property
    def seconds(self) -> float:
        """The limit."""
        return max(self.reading_s, self.inference_s + self.decoding_s + self.scoring_s)

    def over(self, wall_s: float) -> float | None:
        """How many times the limit ``wall_s`` is; None where nothing had to be done."""
        return wall_s / self.seconds if self.seconds > 0 else None

    def text(self, wall_s: float) -> str:
        """In one line: how many times the limit ``wall_s`` is, and the terms in seconds."""
        over = self.over(wall_s)
        if over is None:
            return "nothing had to be read or computed"
        named = zip(("infer", "decode", "score"), (self.inference_s, self.decoding_s, self.scoring_s), strict=True)
        work = " + ".join(f"{name} {_short(seconds)}" for name, seconds in named)
        return f"{over:.2f}× the limit: max(read {_short(self.reading_s)}, {work} s)"


def _short(seconds: float) -> str:
    """With two digits behind the point, with one from 10 on, and none from 100 on."""
    return f"{seconds:.{2 if seconds < 9.995 else 1 if seconds < 99.95 else 0}f}"
