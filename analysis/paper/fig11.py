"""Figure 11: the four parts of some cells of Figure 10."""

from analysis.paper.evidence import comparisons
from analysis.paper.evidence.claims import Verdict
from analysis.paper.kinds.parts import Parts

# Proxy scoring is short, so that it varies more than a whole search.
SAME = 0.20
SHRUNK = {"prepare_model": "preparing models", "prepare_data": "preparing data", "inference": "inference"}


class Figure(Parts):
    """What a search's time consists of."""

    number = "11"
    title = "The four parts of a search"
    claim = "Alsatian shrinks preparing models, preparing data and inference; proxy scoring stays as with SHiFT."

    def verdicts(self) -> list[Verdict]:
        """What Alsatian shrinks, and what not."""
        compared = [cell for cell in self.cells if cell.panel in ("a", "b", "c")]
        return [
            *(
                self.compared(
                    f"Alsatian needs less time than SHiFT for {name}.",
                    comparisons.ahead(compared, "alsatian", "shift", part),
                )
                for part, name in SHRUNK.items()
            ),
            self.compared(
                f"Proxy scoring takes Alsatian as long as SHiFT, within {100 * SAME:.0f}%.",
                comparisons.same(compared, "alsatian", "shift", "proxy_scoring", SAME),
            ),
            self.compared(
                "With more overlap, Alsatian needs less time for preparing models and for inference.",
                *(comparisons.shrinks(self.cells, "alsatian", part) for part in ("prepare_model", "inference")),
            ),
        ]
