"""Figure 14: models from Hugging Face, one architecture at a time."""

from pathlib import Path

from analysis.paper.evidence.claims import Verdict
from analysis.paper.kinds.totals import Totals


class Figure(Totals):
    """End-to-end times with models of one architecture."""

    number = "14"
    title = "End-to-end time of a search, Hugging Face models of one architecture"
    claim = "Alsatian is faster than SHiFT, and SHiFT than Base, for every architecture and size of data."

    def verdicts(self, beside: Path) -> list[Verdict]:
        """Who is faster, and by how much."""
        return [*self.order(), self.factors("alsatian", "base")]
