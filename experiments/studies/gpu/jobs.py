"""What is searched on a GPU, what is worth most first, and what it is expected to take."""

from dataclasses import dataclass, field
from statistics import median

from experiments.configuration.composition import cells
from experiments.configuration.console import plain
from experiments.predictions.case import Predictor
from experiments.runs.progress import Progress

STRATEGIES = ("auto", "base", "alsatian_published", "shift")
OUT_OF_MEMORY = "out of memory"
MARGIN, MAKING_S, MADE_PER_S, PICTURE_S = 1.2, 15.0, 150e6, 0.004
"""What predictions are multiplied with; for making a set of models seconds, and bytes a second; seconds for making
a photograph."""
_SIDES = ("dataset.real=null", "dataset.images.width=200", "dataset.images.height=150")
_NETWORKS = {
    "resnet18": "ResNet-18", "vit_l_32": "ViT-L-32", "resnet152": "ResNet-152", "efficientnet_v2_l": "EffNetV2-L"
}  # fmt: skip


@dataclass(frozen=True)
class Job:
    """One search.

    Attributes:
        cell: what is searched; its jobs are compared with each other.
        strategy: by whom.
        words: overrides as on the command line.
        published: workload, items and distribution, as in the paper's table.
        full: the memory is made too small while it runs.
    """

    cell: str
    strategy: str
    words: tuple[str, ...]
    published: tuple[str, int, str]
    full: bool = False

    @property
    def images(self) -> bool:
        """Whether its items are images, not texts."""
        return self.published[0] != "BERT"

    @property
    def data(self) -> tuple[bool, int]:
        """What tells its data from those of other jobs."""
        return self.images, self.published[1]


def jobs(device: str, scale: str) -> list[Job]:
    """All of them, those that are worth most first."""
    where = (f"scale={scale}", f"device={device}", "network.paper.weights=null")

    def fig10(network: str, items: int) -> list[Job]:
        own = (
            "experiment=fig10",
            f"network={network}",
            "model_set.distribution=top_layers",
            f"paper.items={items}",
        )
        published = (_NETWORKS[network], items, "TOP_LAYERS")
        cell = f"Fig 10, {_NETWORKS[network]}, Top Layers, {items:,} items"
        return [Job(cell, s, (*own, *where, *_SIDES, f"strategy={s}"), published) for s in STRATEGIES]

    def fig17(distribution: str, name: str, of: str) -> list[Job]:
        own = ("experiment=fig17", f"model_set.distribution={distribution}")
        cell = f"Fig 17, BERT, {name}, 2,000 items"
        return [Job(cell, s, (*own, *where, f"strategy={s}"), ("BERT", 2000, of)) for s in STRATEGIES]

    first = fig10("resnet18", 2000)
    auto = first[0]
    full = Job(auto.cell, OUT_OF_MEMORY, (*auto.words[:-1], "strategy=alsatian"), auto.published, full=True)
    wide = [
        *fig17("top_layers", "Top Layers", "TOP_LAYERS"),
        *(job for network in ("resnet152", "vit_l_32", "efficientnet_v2_l") for job in fig10(network, 2000)),
    ]
    rest = [
        *fig17("top_25", "Top 25%", "TWENTY_FIVE_PERCENT"),
        *fig17("top_50", "Top 50%", "FIFTY_PERCENT"),
        *(job for network in _NETWORKS for job in fig10(network, 8000)),
    ]
    ours, base, shift = ("auto", "alsatian_published"), ("base",), ("shift",)
    later = [job for own in (wide, rest) for some in (ours, base, shift) for job in own if job.strategy in some]
    return [*first, full, *later]


@dataclass
class Expected:
    """Seconds that jobs take: as the simulator predicts them for ``hardware``, with decoding as measured here, and
    corrected by how far off that was for jobs of the same strategy, or else of any.

    Attributes:
        hardware: a profile of the menu.
        item_s: seconds to decode and prepare an image here.
        alike: whether the machine at hand is of that kind; if not, nothing is predicted.
    """

    hardware: str
    item_s: float
    alike: bool = True
    _predictor: Predictor = field(default_factory=Predictor)
    _predicted: dict[Job, tuple[float, int] | None] = field(default_factory=dict)
    _off: dict[str, list[float]] = field(default_factory=dict)
    _made: set[object] = field(default_factory=set)

    def seconds(self, job: Job) -> float | None:
        """Of the search of ``job``; None where nothing is predicted."""
        if job not in self._predicted:
            self._predicted[job] = self._predict(job) if self.alike else None
        known = self._off.get(job.strategy) or [factor for own in self._off.values() for factor in own]
        found = self._predicted[job]
        return None if found is None else found[0] * (median(known) if known else 1.0)

    def needed(self, job: Job) -> float:
        """Of ``job`` with what is around it, rather too much; 0 where nothing is predicted."""
        seconds = self.seconds(job)
        found = self._predicted[job]
        if seconds is None or found is None:
            return 0.0
        models = 0.0 if job.cell in self._made else MAKING_S + found[1] / MADE_PER_S
        images = 0.0 if job.data in self._made else PICTURE_S * job.published[1]
        return MARGIN * seconds * (3 if job.full else 1) + models + images

    def took(self, job: Job, seconds: float) -> None:
        """The search of ``job`` took so long; its models and data are there from now on."""
        self._made |= {job.cell, job.data}
        found = self._predicted.get(job)
        if found is not None and found[0] > 0:
            self._off.setdefault(job.strategy, []).append(seconds / found[0])

    def _predict(self, job: Job) -> tuple[float, int]:
        """Seconds of the search, and bytes of its distinct blocks."""
        words = [word for word in job.words if not word.startswith(("dataset.", "device="))]
        words += ["device=cpu", "dataset=counted", f"dataset.items={job.published[1]}", f"hardware={self.hardware}"]
        (cell,) = cells(words)
        case = self._predictor.case(cell.config, Progress(plain(quiet=True)))
        found = case.predict().measurement
        images = found.counters["prepared_items"] if job.images else 0
        return found.wall_s + images * self.item_s, case.models.distinct_bytes
