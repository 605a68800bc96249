"""What every figure of the paper is: title, claim, numbers, drawing, verdicts."""

from abc import ABC, abstractmethod
from typing import ClassVar

import pandas as pd
from matplotlib.figure import Figure as Drawing

from analysis.figures.picture import Picture
from analysis.paper.evidence.claims import Tested, Verdict, judge
from analysis.paper.evidence.slots import BEST
from analysis.paper.evidence.sources import RUNS, Source, Sources

TRIED = "runs of the scale ci are too short to judge by"


class PaperFigure(ABC):
    """A figure of the paper from records. A file beside this folder's holds one, as a class named ``Figure``.

    Attributes:
        number: as the paper has it, ``"5"`` to ``"17"``, or a word.
        title: what it shows.
        claim: what to look for, a sentence.
        marks: what bars, whiskers and marks are, sentences.
        source: what its records are.
    """

    number: ClassVar[str]
    title: ClassVar[str]
    claim: ClassVar[str]
    marks: ClassVar[str]
    source: ClassVar[Source] = RUNS

    def __init__(self, sources: Sources) -> None:
        self.sources = sources

    @property
    @abstractmethod
    def data(self) -> pd.DataFrame:
        """Exactly the numbers that it shows."""

    @property
    @abstractmethod
    def missing(self) -> str:
        """What of it was not run, a sentence; empty if all was."""

    @abstractmethod
    def draw(self, title: str, caption: str) -> Drawing:
        """The figure. Call inside ``style.drawing()``."""

    @abstractmethod
    def verdicts(self) -> list[Verdict]:
        """What became of the paper's claims."""

    @property
    def stem(self) -> str:
        """Name of its files without a suffix, e.g. ``"fig10"``."""
        return f"fig{int(self.number):02d}" if self.number.isdigit() else self.number

    @property
    def picture(self) -> Picture:
        """The figure with its texts: the claim to look for, what the marks are, what was scaled and is missing."""
        named = f"Figure {self.number}" if self.number.isdigit() else "Section 6.3"
        scale = "" if self.sources.scale == "paper" else f" ({self.sources.scale} scale)"
        origin = "".join(dict.fromkeys(run.origin for run in self.sources.runs.values()))
        caption = f"Claim to look for: {self.claim} {self.marks}"
        if any(key.approach == BEST for key in self.sources.runs):
            caption += f" {BEST} is ours at its best and not in the paper."
        if self.sources.scaled:
            caption += f"\nScaled: {'; '.join(line.rstrip('.') for line in self.sources.scaled)}."
        if self.missing:
            caption += f"\nMissing: {self.missing}."
        return Picture(f"{named}{scale}: {self.title}{origin}", caption, self.data, self.draw)

    @property
    def untested(self) -> str:
        """Why nothing is judged at this scale; empty if it is."""
        return TRIED if "ci" in self.sources.scale.split(", ") else ""

    def verdict(self, claim: str, *tested: Tested, untestable: str = "", construction: str = "") -> Verdict:
        """The verdict on ``claim``; see :func:`~analysis.paper.evidence.claims.judge`."""
        if self.untested:  # and no numbers that would look like an answer
            return judge(self.number, claim, [], untestable=self.untested)
        cases = [case for one in tested for case in one.cases]
        return judge(self.number, claim, cases, sum(one.missing for one in tested), untestable, construction)
