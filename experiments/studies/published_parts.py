"""Seconds of the parts of the paper's searches, as far as an RTX A5000 is calibrated on them: Figs 5, 11 and 12."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise

CALIBRATION = ("5", "11", "12")
"""The figures that may be used. The others are there to be predicted."""
BANDWIDTH = 200e6
"""Bytes per second of the paper's store."""
FILE_BYTES = {"ResNet-18": 46.8e6, "ResNet-152": 241.7e6, "EffNetV2-L": 476.7e6, "ViT-L-32": 1226.3e6}
"""Of the paper's model files. In Fig 5 (a-d) the part of preparing the model is this over the bandwidth, so that it
turns the figure's shares into seconds."""
MODELS = 35
"""Of every set in Fig 11."""
BATCH = 128
"""Items of the paper's batches."""


@dataclass(frozen=True)
class Bar:
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


def left() -> list[int]:
    """Models in the rounds of the published halving."""
    rounds = (MODELS - 1).bit_length()
    return [MODELS >> i for i in range(rounds)]


def seen_items(train: int) -> list[int]:
    """Training items that the scores of its rounds are based on."""
    rounds = len(left())
    return [train >> (rounds - 1 - i) for i in range(rounds)]


def new_items(train: int) -> list[int]:
    """Training items that its rounds extract features of: those that the round before has not seen."""
    seen = seen_items(train)
    return [seen[0], *(after - before for before, after in pairwise(seen))]


def fig5() -> dict[tuple[str, int], dict[str, float]]:
    """Seconds by part for one model, by workload and items (panels a to c: nothing cached)."""
    found: dict[tuple[str, int], dict[str, float]] = {}
    for row in _rows("5"):
        if row["panel"] in "abc":
            shares = found.setdefault((row["workload"], int(row["items"])), {})
            shares[row["component"]] = float(row["value"]) / 100
    for (workload, _), shares in found.items():
        total = FILE_BYTES[workload] / BANDWIDTH / shares["prepare_model"]
        shares.update({part: share * total for part, share in shares.items()})
    return found


def item_seconds(workload: str) -> float:
    """Inference of one item more in Fig 5."""
    found = fig5()
    few, many = 1024, 9216
    return (found[workload, many]["inference"] - found[workload, few]["inference"]) / (many - few)


def fig11() -> list[Bar]:
    """All parts of all searches, each once: panel d repeats some of a and b."""
    bars = [
        Bar(
            row["workload"],
            int(row["items"]),
            row["distribution"],
            row["approach"],
            row["component"],
            float(row["value"]),
        )
        for row in _rows("11")
        if row["component"] != "total" and row["unit"] == "seconds"
    ]
    return list(dict.fromkeys(bars))


def fig12(workload: str) -> list[float]:
    """Milliseconds of every block, from the input on."""
    prefix = f"{workload}/block"
    found = {
        int(row["workload"].removeprefix(prefix)): float(row["value"])
        for row in _rows("12")
        if row["workload"].startswith(prefix) and row["component"] == "inference"
    }
    return [found[i] for i in range(len(found))]


def _rows(figure: str) -> Iterator[dict[str, str]]:
    assert figure in CALIBRATION
    text = resources.files("analysis.paper").joinpath("paper.csv").read_text(encoding="utf-8")
    yield from (row for row in csv.DictReader(io.StringIO(text)) if row["figure"] == figure)
