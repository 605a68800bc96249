"""Numbers of the paper's figures, the searches behind them, and fits to them, for the studies of its machine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from analysis.paper.evidence import published

CALIBRATION = ("5", "11", "12")
"""The figures that a machine may be calibrated on. The others are there to be predicted, but for
:func:`whole_load`."""
BANDWIDTH = 200e6
"""Bytes per second of the paper's store."""
FILE_BYTES = {"ResNet-18": 46.8e6, "ResNet-152": 241.7e6, "EffNetV2-L": 476.7e6, "ViT-L-32": 1226.3e6}
"""Of the paper's model files. In Fig 5 (a-d) the part of preparing the model is this over the bandwidth, so that it
turns the figure's shares into seconds."""
MODELS, BATCH = 35, 128
"""Of every set, and items of the batches."""
DISTRIBUTIONS = {"TOP_LAYERS": "top_layers", "TWENTY_FIVE_PERCENT": "top_25", "FIFTY_PERCENT": "top_50"}
"""The model sets' names for the paper's."""


def rows(*figures: str) -> pd.DataFrame:
    """What the paper's table says of ``figures``, in its order."""
    found = published.rows()
    return found[found["figure"].isin(figures)]


def left() -> list[int]:
    """Models in the rounds of the published halving."""
    return [MODELS >> i for i in range((MODELS - 1).bit_length())]


def seen_items(train: int) -> list[int]:
    """Training items that the scores of its rounds are based on."""
    rounds = len(left())
    return [train >> (rounds - 1 - i) for i in range(rounds)]


def new_items(train: int) -> list[int]:
    """Training items that its rounds extract features of: those that the round before has not seen."""
    seen = seen_items(train)
    return [seen[0], *(after - before for before, after in pairwise(seen))]


@dataclass(frozen=True)
class Part:
    """A part of a search in Fig 11, in seconds, with what decides it.

    Attributes:
        workload, distribution, approach, part: as in the figure.
        items: training and test items together.
        seconds: of the part.
    """

    workload: str
    items: int
    distribution: str
    approach: str
    part: str
    seconds: float

    @property
    def training(self) -> list[tuple[int, int]]:
        """Models and items of every pass over training items: new ones in every round of halving."""
        train = self.items * 4 // 5
        return [(MODELS, train)] if self.approach == "base" else list(zip(left(), new_items(train), strict=True))

    @property
    def testing(self) -> tuple[int, int]:
        """Models and items of the pass over test items."""
        return MODELS, self.items // 5

    @property
    def reading(self) -> list[float]:
        """Readers of data that are started, items of their first batches, and all of their items."""
        passes = [*self.training, self.testing]
        waited = sum(models * min(items, BATCH) for models, items in passes)
        return [sum(models for models, _ in passes), waited, sum(models * items for models, items in passes)]

    @property
    def scoring(self) -> list[float]:
        """Scores, and mini-batches of all their trainings."""
        halved = list(zip(left(), seen_items(self.items * 4 // 5), strict=True))
        pairs = self.training if self.approach == "base" else halved
        return [sum(models for models, _ in pairs), sum(models * -(-items // BATCH) for models, items in pairs)]


def item_seconds(workload: str) -> float:
    """Inference of one item more in Fig 5 (panels a to c: one model, nothing cached)."""
    seconds = seconds_of(workload, "inference")
    return float((seconds[9216] - seconds[1024]) / (9216 - 1024))


def seconds_of(workload: str, part: str) -> "pd.Series[float]":
    """Seconds of a part in Fig 5 (panels a to c), by items."""
    shown = rows("5")
    shown = shown[shown["panel"].isin(list("abc")) & (shown["workload"] == workload)]
    shares = shown.pivot(index="items", columns="component", values="value") / 100
    return shares[part] * (FILE_BYTES[workload] / BANDWIDTH / shares["prepare_model"])


def fig11() -> list[Part]:
    """All parts of all searches, each once: panel d repeats some of a and b."""
    shown = rows("11")
    shown = shown[(shown["component"] != "total") & (shown["unit"] == "seconds")]
    parts = shown[["workload", "items", "distribution", "approach", "component", "value"]].drop_duplicates()
    return [Part(*part) for part in parts.itertuples(index=False)]


def whole_load() -> Part:
    """What Base needs to load whole ViT-L-32 in Fig 16 (64 GB): without it no figure tells what a block of a whole
    model takes from what its bytes take, as Fig 11 shows the loading of whole models for ResNet-152 alone."""
    shown = rows("16")
    one = (shown["workload"] == "ViT-L-32@64GB") & (shown["approach"] == "base")
    row = shown[one & (shown["component"] == "prepare_model")].iloc[0]
    return Part("ViT-L-32", row["items"], row["distribution"], "base", "prepare_model", row["value"])


def parts(part: str, *approaches: str) -> list[Part]:
    """Bars of Fig 11 of a part of a search."""
    return [bar for bar in fig11() if bar.part == part and bar.approach in approaches]


def fig12(workload: str) -> list[float]:
    """Milliseconds of every block, from the input on."""
    shown, prefix = rows("12"), f"{workload}/block"
    shown = shown[shown["workload"].str.startswith(prefix) & (shown["component"] == "inference")]
    blocks = shown.set_index(shown["workload"].str.removeprefix(prefix).astype(int))
    return blocks["value"].sort_index().tolist()


@dataclass(frozen=True)
class Fit:
    """Numbers fitted to bars of a part: their meaning, and seconds of each bar as they say."""

    part: str
    meaning: str
    values: tuple[float, ...]
    said: tuple[tuple[Part, float], ...]

    @property
    def sources(self) -> str:
        """The bars that it was made from, in words."""
        found: dict[tuple[str, str], int] = {}
        for bar, _ in self.said:
            key = (bar.approach, bar.workload)
            found[key] = found.get(key, 0) + 1
        return ", ".join(f"{count} of {approach} with {workload}" for (approach, workload), count in found.items())


def fit(
    meaning: str,
    bars: Sequence[Part],
    row: Callable[[Part], Sequence[float]],
    known: Callable[[Part], float] = lambda bar: 0.0,
) -> Fit:
    """Numbers, none below 0, whose product with ``row`` plus ``known`` seconds meets ``bars``; relative errors
    count."""
    seconds, base = np.array([bar.seconds for bar in bars]), np.array([known(bar) for bar in bars])
    matrix = np.array([row(bar) for bar in bars], dtype=float)
    values, _ = nnls(matrix / seconds[:, None], (seconds - base) / seconds)
    said = tuple(zip(bars, map(float, matrix @ values + base), strict=True))
    return Fit(bars[0].part, meaning, tuple(map(float, values)), said)
