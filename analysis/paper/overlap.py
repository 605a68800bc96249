"""Section 6.3: how many models of each family share blocks, ours filled, the published as marks.

Records are ``<folder>/<id>/overlap.json``, one file a family. A file holds what ``alsatian overlap`` writes, and
``config`` beside it with the family's name in the paper.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Drawing

from alsatian.records import Overlap
from analysis.comparing.measurements import Spread
from analysis.figures import layout, style
from analysis.paper.evidence import published, thresholds
from analysis.paper.evidence.claims import Case, Tested, Verdict
from analysis.paper.evidence.sources import Source
from analysis.paper.evidence.spreads import below, exactly, within
from analysis.paper.kinds import bars
from analysis.paper.kinds.figure import PaperFigure

HEIGHT = 2.6
NAME = "models that share a block"
# Below the paper's scale; conf/experiment/overlap.yaml says it, too.
MADE = "the models were generated with the published share, so it shows that sharing is found"


@dataclass(frozen=True)
class Family:
    """Models of one architecture.

    Attributes:
        workload: the family's name in the paper.
        models: their number; None if it was not run, and so are all below.
        percent: share of the models with at least one block that another one has too; NaN if it was not run.
        with_prefix_percent: the same for the first block that has parameters.
        published_percent: NaN for a family that the paper gives no number for.
        published_at_most: whether the paper says "up to".
        total_bytes: of all parameters; ``distinct_bytes`` without duplicates.
    """

    workload: str
    models: int | None = None
    percent: float = math.nan
    with_prefix_percent: float = math.nan
    published_percent: float = math.nan
    published_at_most: bool = False
    total_bytes: int | None = None
    distinct_bytes: int | None = None


class Figure(PaperFigure):
    """A bar for each family."""

    number = "overlap"
    title = "How many fine-tunes share blocks with another model"
    claim = "most fine-tunes of DETR share blocks; of ResNet and DINOv2-L up to two thirds do."
    marks = "Above the bars is the number of models; triangles are published as upper bounds."
    source = Source("overlap.json", Overlap)

    @cached_property
    def families(self) -> list[Family]:
        """Every family, those of the paper first."""
        paper = {
            row["workload"]: {
                "published_percent": row["value"],
                "published_at_most": row["component"].endswith("_at_most"),
            }
            for row in published.values(self.number).to_dict("records")
        }
        ours = self.sources.models
        return [_family(name, ours.get(name), paper.get(name, {})) for name in dict.fromkeys([*paper, *ours])]

    @property
    def data(self) -> pd.DataFrame:
        """A row for each family; shares in percent, sizes in bytes."""
        counts = dict.fromkeys(("models", "total_bytes", "distinct_bytes"), "Int64")
        return pd.DataFrame(self.families).astype(counts)

    @property
    def missing(self) -> str:
        """Families without ours."""
        number = sum(family.models is None for family in self.families)
        return f"{number} of {len(self.families)}: not run" if number else ""

    def draw(self, title: str, caption: str) -> Drawing:
        """The figure. Call inside ``style.drawing()``."""
        groups = [bars.Group(self.stand_in(family.workload), [_bar(family)]) for family in self.families]
        now, width = style.now(), bars.width(groups)
        _, inches = now.fit(1, max(layout.NARROWEST, width), width)
        rows = bars.rows(groups, bars.width, inches)
        drawing, panels = layout.panels(len(rows), 1, (inches, now.tall * HEIGHT), title, caption)
        for axes, row in zip(panels, rows, strict=True):
            bars.draw(axes, row, inches, groups)
            axes.set_ylabel("models that share\nblocks (%)")
        marks = [bars.mark("published"), bars.mark("published, at most", bars.BOUND)]
        layout.legend(drawing, [*bars.patches({NAME: style.GREEN}), *marks])
        return drawing

    def verdicts(self) -> list[Verdict]:
        """Shares of models that share blocks."""
        return [self._verdict(family) for family in self.families if not math.isnan(family.published_percent)]

    def _verdict(self, family: Family) -> Verdict:
        """One model more or less is what a share is known to; no repeat would give another one."""
        paper = family.published_percent
        bound = "At most " if family.published_at_most else ""
        claim = f"{bound}{paper:.0f}% of the models share blocks: {family.workload}."
        if family.models is None:
            return self.verdict(claim, Tested.of([None]))
        one, room = 100 / family.models, thresholds.family_apart()
        ours = Spread(family.percent, family.percent - one, family.percent + one, family.models)
        most, least = paper + room, paper - room
        ok = below(ours, exactly(most)) if family.published_at_most else within(ours, least, most)
        numbers = f"{family.percent:.0f}% of {family.models:,} models (± {one:.0f} points)"
        made = "" if self.sources.scale == "paper" else MADE
        return self.verdict(claim, Tested([Case("", ok, numbers, math.nan, None)], 0), construction=made)


def _family(name: str, ours: Overlap | None, paper: dict[str, Any]) -> Family:
    if ours is None:
        return Family(name, **paper)
    return Family(
        name,
        models=len(ours.models),
        percent=100 * ours.share_with_common_blocks,
        with_prefix_percent=100 * ours.share_with_prefix,
        total_bytes=ours.total_bytes,
        distinct_bytes=ours.distinct_bytes,
        **paper,
    )


def _bar(family: Family) -> bars.Bar:
    text = "not run" if family.models is None else f"{family.percent:.0f}% of {family.models:,}"
    published_percent, at_most = family.published_percent, family.published_at_most
    return bars.Bar(style.GREEN, family.percent, math.nan, math.nan, text, published_percent, at_most)
