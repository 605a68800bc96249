"""Figure 13: Figure 10c with trained models."""

import math
from collections.abc import Sequence
from pathlib import Path

from analysis.comparing.measurements import Spread
from analysis.paper.evidence import comparisons, sources, thresholds
from analysis.paper.evidence.cells import Cell
from analysis.paper.evidence.claims import Case, Tested, Verdict
from analysis.paper.evidence.comparisons import factor_range
from analysis.paper.evidence.spreads import within
from analysis.paper.fig10 import Figure as Synthetic
from analysis.paper.kinds.factors import Factors


class Figure(Factors):
    """End-to-end times with trained models."""

    number = "13"
    title = "End-to-end time of a search, trained models"
    claim = "the same as with synthetic models (Fig 10c)."
    columns = 1

    def verdicts(self) -> list[Verdict]:
        """Who is faster, and whether trained models gain what synthetic ones do."""
        synthetic = _gains(self._synthetic(self.sources.beside("fig10")))
        alike = thresholds.trained_alike()
        cases: list[Case | None] = []
        for place, own in _gains(self.cells).items():
            before = synthetic.get(place, Spread.of([]))
            ratio = own.over(before)
            numbers = f"{factor_range(own)}, synthetic {factor_range(before)}"
            ok = within(ratio, 1 - alike, 1 + alike)
            known = not math.isnan(ratio.median)
            cases.append(Case(place[0], ok, numbers, -abs(ratio.median - 1), ratio.count) if known else None)
        claim = f"Alsatian gains as much as with synthetic models (Fig 10c), within {100 * alike:.0f}%."
        return [*self.order(), self.verdict(claim, Tested.of(cases))]

    def _synthetic(self, folder: Path) -> Sequence[Cell]:
        """The cells of Figure 10 at the same scale; none if it was not run."""
        found = sources.load(folder, {Synthetic.number: Synthetic.source}) if folder.is_dir() else None
        return Synthetic(found).cells if found and found.scale == self.sources.scale else []


def _gains(found: Sequence[Cell]) -> dict[tuple[str, int | None, str], Spread]:
    """Alsatian's speed-ups by cell, NaN where there is none."""
    both = comparisons.pairs(found, "alsatian", "base")
    return {(a.workload, a.items, a.distribution): comparisons.gain(a, b) for a, b in both}
