"""Figure 11: the four parts of some cells of Figure 10."""

import math
from collections.abc import Sequence
from dataclasses import replace

from analysis.paper.evidence import comparisons, thresholds
from analysis.paper.evidence.cells import Cell
from analysis.paper.evidence.claims import Verdict
from analysis.paper.evidence.comparisons import COMPONENTS
from analysis.paper.kinds.factors import COUNTED
from analysis.paper.kinds.parts import Parts
from analysis.tables.formats import Table

SHRUNK = {"prepare_model": "preparing models", "prepare_data": "preparing data", "inference": "inference"}


class Figure(Parts):
    """What a search's time consists of."""

    number = "11"
    title = "The four parts of a search"
    claim = "Alsatian shrinks preparing models, preparing data and inference; proxy scoring stays as with SHiFT."

    def verdicts(self) -> list[Verdict]:
        """What Alsatian shrinks, and what not; where SHiFT's rounds cost more than they save."""
        compared = self._compared
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

    @property
    def tables(self) -> list[Table]:
        """What approaches take of Base's time, published and here; none at scales with other numbers of models."""
        found = [c for c in self._compared if c.approach != "base" and c.ok and not math.isnan(c.published_percent)]
        if self.sources.scale not in COUNTED or not found:
            return []
        rows: dict[tuple[str, ...], dict[str, str]] = {}
        for cell in found:
            own = rows.setdefault((_where(cell), cell.approach), {})
            own[cell.component] = f"{cell.published_percent:.1f}, {cell.percent:.1f}"
        parts = [name for name in COMPONENTS if any(name in own for own in rows.values())]
        header = ("cell", "approach", *(COMPONENTS[name] for name in parts))
        texts = [(*first, *(own.get(name, "–") for name in parts)) for first, own in rows.items()]
        return [Table(_title(found, self._compared), header, texts, tuple(range(2, len(header))))]

    @property
    def _compared(self) -> list[Cell]:
        """The cells of panels that compare approaches."""
        return [cell for cell in self.cells if cell.panel in ("a", "b", "c")]


def _where(cell: Cell) -> str:
    """The cell for people, whatever its component."""
    return comparisons.where(replace(cell, component="total"))


def _title(found: Sequence[Cell], cells: Sequence[Cell]) -> str:
    """Which part differs most from the published one, and how the paper's and ours grow with the items."""
    parts = [cell for cell in found if cell.component != "total"]
    most = max(parts, key=lambda cell: abs(cell.percent - cell.published_percent))
    shares = f"{most.published_percent:.1f}% and {most.percent:.1f}%"
    told = [
        "What is left of Base's time, part by part: % of Base's total, published and here.",
        f"The largest difference is {COMPONENTS[most.component]} by {most.approach}: {shares} ({_where(most)}).",
    ]
    alike = most.workload, most.distribution, "base"
    base = [cell for cell in cells if (cell.workload, cell.distribution, cell.approach) == alike]
    for name, called in SHRUNK.items():
        own = {cell.items: cell for cell in base if cell.component == name and cell.ok}
        few, many = own.get(2000), own.get(8000)
        if few and many:
            published, here = many.published_seconds / few.published_seconds, many.seconds / few.seconds
            grown = (
                f"{published:.1f} times as long with 8,000 items as with 2,000 in the paper, {here:.1f} times here"
            )
            told.append(f"For {called} Base takes {grown}.")
    return " ".join(told)
