"""Figure 13: Figure 10c with trained models."""

from pathlib import Path

from alsatian.units import factor_text
from analysis.paper.evidence import sources
from analysis.paper.evidence.claims import Case, Tested, Verdict
from analysis.paper.fig10 import Figure as Synthetic
from analysis.paper.kinds.factors import Factors

# Trained models gain as much as synthetic ones, within this share.
SAME = 0.30


class Figure(Factors):
    """End-to-end times with trained models."""

    number = "13"
    title = "End-to-end time of a search, trained models"
    claim = "the same as with synthetic models (Fig 10c)."
    columns = 1

    def verdicts(self) -> list[Verdict]:
        """Who is faster, and whether trained models gain what synthetic ones do."""
        synthetic = self._synthetic(self.sources.beside("fig10"))
        cases: list[Case | None] = []
        for cell in (cell for cell in self.cells if cell.approach == "alsatian"):
            before = synthetic.get((cell.workload, cell.items, cell.distribution), float("nan"))
            off = abs(cell.speedup / before - 1)
            numbers = f"{factor_text(cell.speedup)}, synthetic {factor_text(before)}"
            known = off == off  # neither is NaN
            cases.append(Case(cell.workload, off <= SAME, numbers, -off) if known else None)
        claim = f"Alsatian gains as much as with synthetic models (Fig 10c), within {100 * SAME:.0f}%."
        return [*self.order(), self.compared(claim, Tested.of(cases))]

    def _synthetic(self, folder: Path) -> dict[tuple[str, int | None, str], float]:
        """Alsatian's speed-ups in Figure 10 at the same scale, by cell; none if it was not run."""
        found = sources.load(folder, {Synthetic.number: Synthetic.source}) if folder.is_dir() else None
        if found is None or found.scale != self.sources.scale:
            return {}
        cells = [cell for cell in Synthetic(found).cells if cell.approach == "alsatian"]
        return {(cell.workload, cell.items, cell.distribution): cell.speedup for cell in cells}
