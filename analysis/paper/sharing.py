"""How many models of each family share blocks (Section 6.3): ours filled, the published outlined."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure as Drawing

from analysis.figures import style
from analysis.paper import groups, published
from analysis.paper.arrangement import Figure
from analysis.paper.families import Family

PANEL_HEIGHT = 2.6
NAME = "models that share a block"


@dataclass(frozen=True)
class Share:
    """One family.

    Attributes:
        workload: its name in the paper.
        ours: measured, of :class:`Family`; None if it was not run.
        published_percent: NaN for a family that the paper gives no number for.
        at_most: whether the paper says "up to".
    """

    workload: str
    ours: Family | None
    published_percent: float
    at_most: bool

    @property
    def percent(self) -> float:
        """Share of the models with a block in common; NaN if it was not run."""
        return math.nan if self.ours is None else 100 * self.ours.sharing


def shares(figure: Figure, families: Mapping[str, Family]) -> list[Share]:
    """Every family, those of the paper first."""
    found = [
        Share(row["workload"], families.get(row["workload"]), row["value"], row["component"].endswith("_at_most"))
        for row in published.values(figure.number).to_dict("records")
    ]
    known = {share.workload for share in found}
    return found + [Share(name, family, math.nan, False) for name, family in families.items() if name not in known]


def table(found: Sequence[Share]) -> pd.DataFrame:
    """A row for each family; shares in percent, sizes in bytes."""
    rows = [
        {
            "workload": share.workload,
            "models": share.ours.models if share.ours else None,
            "percent": share.percent,
            "with_prefix_percent": 100 * share.ours.with_prefix if share.ours else math.nan,
            "published_percent": share.published_percent,
            "published_at_most": share.at_most,
            "total_bytes": share.ours.total_bytes if share.ours else None,
            "distinct_bytes": share.ours.distinct_bytes if share.ours else None,
        }
        for share in found
    ]
    return pd.DataFrame(rows).astype(dict.fromkeys(("models", "total_bytes", "distinct_bytes"), "Int64"))


def draw(figure: Figure, found: Sequence[Share], title: str, caption: str) -> Drawing:
    """The figure of ``found``. Call inside ``style.drawing()``."""
    bars = [groups.Group(share.workload, [_bar(share)]) for share in found]
    inches = max(style.NARROWEST, groups.width(bars))
    drawing, axes, above, columns = style.lattice(
        1, 1, (inches, PANEL_HEIGHT), [NAME, groups.MARKED, groups.BOUNDED], title, caption
    )
    groups.draw(axes[0], bars, inches, "")
    axes[0].set_yticks(range(0, 101, 20))
    axes[0].set_ylabel("models that share blocks (%)", fontsize=style.SMALL)
    groups.legend(above, [(NAME, style.GREEN)], columns, bounds=True)
    return drawing


def _bar(share: Share) -> groups.Bar:
    text = "not run" if share.ours is None else f"{share.percent:.0f}% of {share.ours.models:,}"
    return groups.Bar(
        style.GREEN, share.percent, math.nan, math.nan, text, share.published_percent, bound=share.at_most
    )
