"""Figure 11: the four parts of some cells of Figure 10."""

from analysis.paper.evidence import comparisons, thresholds
from analysis.paper.evidence.claims import Verdict
from analysis.paper.kinds.parts import Parts

SHRUNK = {"prepare_model": "preparing models", "prepare_data": "preparing data", "inference": "inference"}


class Figure(Parts):
    """What a search's time consists of."""

    number = "11"
    title = "The four parts of a search"
    claim = "Alsatian shrinks preparing models, preparing data and inference; proxy scoring stays as with SHiFT."

    def verdicts(self) -> list[Verdict]:
        """What Alsatian shrinks, and what not; where SHiFT's rounds cost more than they save."""
        compared = [cell for cell in self.cells if cell.panel in ("a", "b", "c")]
        alike = thresholds.scored_alike()
        return [
            *(
                self.verdict(
                    f"Alsatian needs less time than SHiFT for {name}.",
                    comparisons.ahead(compared, "alsatian", "shift", part),
                )
                for part, name in SHRUNK.items()
            ),
            self.verdict(
                f"Proxy scoring takes Alsatian as long as SHiFT, within {100 * alike:.0f}%.",
                comparisons.same(compared, "alsatian", "shift", "proxy_scoring", alike),
            ),
            self.verdict(
                "With more overlap, Alsatian needs less time for preparing models and for inference.",
                *(comparisons.shrinks(self.cells, "alsatian", part) for part in ("prepare_model", "inference")),
            ),
            self.verdict(  # which it reads again in every round
                "SHiFT needs more time than Base for preparing models.",
                comparisons.ahead(compared, "base", "shift", "prepare_model"),
            ),
        ]
