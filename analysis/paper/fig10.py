"""Figure 10: four networks, three distributions of what models share, two sizes of data."""

from analysis.paper.evidence.claims import Verdict
from analysis.paper.kinds.factors import Factors


class Figure(Factors):
    """End-to-end times with synthetic models."""

    number = "10"
    title = "End-to-end time of a search"
    claim = (
        "Alsatian is faster than SHiFT, and SHiFT than Base; the more models overlap, the more Alsatian "
        "gains, while Base and SHiFT do not change."
    )

    def verdicts(self) -> list[Verdict]:
        """Who is faster, what overlap changes, and how much faster."""
        factors = [self.factors("alsatian", "base"), self.factors("alsatian", "shift")]
        return [*self.order(), *self.distributions(), *factors]
