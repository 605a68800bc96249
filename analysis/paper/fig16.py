"""Figure 16: a search in less and less memory."""

from collections.abc import Sequence

from analysis.paper.evidence import comparisons
from analysis.paper.evidence.claims import Verdict
from analysis.paper.evidence.slots import FIGURE
from analysis.paper.kinds.bars import Group
from analysis.paper.kinds.parts import Parts


class Figure(Parts):
    """A panel for each strategy, a bar for each size of memory."""

    number = "16"
    title = "A search in less memory"
    claim = "Alsatian stays ahead of Base and SHiFT under a tight budget."
    reference = FIGURE
    ordinate = "time relative to base's total\nin the most memory (%)"

    @property
    def beside(self) -> Sequence[Group]:
        """All panels share what their times are relative to."""
        return [group for inside in self.shown.values() for group in self.groups(inside)]

    def verdicts(self) -> list[Verdict]:
        """Who is ahead in little memory."""
        tight = [cell for cell in self.cells if not cell.workload.endswith("@64GB")]
        return [
            self.verdict(
                "Alsatian stays ahead of Base and SHiFT under a tight budget (10 and 5 GB).",
                *(comparisons.ahead(tight, "alsatian", other) for other in ("shift", "base")),
            ),
            self.order()[1],
            self.verdict(
                "SHiFT needs more time than Base for preparing models.",
                comparisons.ahead(self.cells, "base", "shift", "prepare_model"),
            ),
        ]
