"""Figure 17: BERT on texts."""

from analysis.paper.evidence.claims import Verdict
from analysis.paper.kinds.factors import Factors


class Figure(Factors):
    """End-to-end times with models of texts."""

    number = "17"
    title = "End-to-end time of a search, BERT"
    claim = "the more models overlap, the more Alsatian gains; Base and SHiFT do not change."
    columns = 3

    def verdicts(self) -> list[Verdict]:
        """Who is faster, what overlap changes, and how much faster."""
        return [*self.order(), *self.distributions(), self.factors("alsatian", "base")]
