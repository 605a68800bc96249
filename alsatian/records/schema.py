"""What a run record says, as typed data (schema 2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SCHEMA = 2
STATUSES = ("ok", "running", "failed", "invalid", "oom", "timeout")


@dataclass(frozen=True)
class ModelSet:
    """What was searched: number of models and blocks, and their bytes with and without duplicates."""

    name: str
    digest: str
    models: int
    blocks: int
    distinct_blocks: int
    total_bytes: int
    distinct_bytes: int


@dataclass(frozen=True)
class Dataset:
    """What the models were scored on."""

    name: str
    digest: str
    train_items: int
    test_items: int
    classes: int


@dataclass(frozen=True)
class Environment:
    """Code, versions and hardware behind a number; None where it is unknown or there is none."""

    version: str | None
    commit: str | None
    dirty: bool | None
    python: str | None
    platform: str | None
    libraries: Mapping[str, str | None]
    cpu: str | None
    cores: int | None
    threads: int | None
    memory_bytes: int | None
    gpu: str | None
    cuda: str | None
    driver: str | None
    determinism: Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True)
class Storage:
    """How the store was read: bandwidth in bytes a second (None for no limit), page cache emptied or not."""

    bandwidth: float | None
    cold: bool


@dataclass(frozen=True)
class Budget:
    """A memory budget as asked for, and in bytes (None for no limit)."""

    requested: str | int | float | None
    bytes: int | None


@dataclass(frozen=True)
class Repeat:
    """One measurement. Times in seconds, sizes in bytes.

    Attributes:
        wall_s: wall time.
        parts_s: exclusive parts, which add up to the wall time; empty at level ``"total"``.
        busy_s: time that parts were at work in background threads.
        stalled_s: time that the search waited for them.
        counters: bytes, blocks, executions, hits and so on.
        peaks: largest sizes.
        process: what the operating system says about the process; None where it does not know.
        events: what happened on the way, each with its ``"kind"``.
        level: ``"parts"`` or ``"total"``.
        valid: whether the measurement can be trusted.
    """

    wall_s: float
    parts_s: Mapping[str, float]
    counters: Mapping[str, int]
    peaks: Mapping[str, int]
    valid: bool
    busy_s: Mapping[str, float] = field(default_factory=dict)
    stalled_s: Mapping[str, float] = field(default_factory=dict)
    process: Mapping[str, float | None] = field(default_factory=dict)
    events: tuple[Mapping[str, Any], ...] = ()
    level: str = "parts"


@dataclass(frozen=True)
class Round:
    """Scores on the first ``train_items`` training items; digests of the features where recorded.

    ``failed`` says why models have no score.
    """

    train_items: int
    chunks: int
    scores: Mapping[str, float]
    fingerprints: Mapping[str, str]
    failed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Vertex:
    """An intermediate result of a task tree, and the edge of blocks that computes it.

    Attributes:
        parent: number of the vertex that it is computed from; None for the data.
        order: place in the order of computing, None if it is not computed.
        way: what becomes of it: kept, fused, recomputed, features and so on.
        blocks, parameter_bytes: of the edge.
        output_bytes: of the result for an item.
        models: whose features it is.
        seconds: of computing it, predicted or measured; None if neither was done.
    """

    parent: int | None
    order: int | None
    way: str
    blocks: int
    parameter_bytes: int
    output_bytes: int
    models: tuple[str, ...]
    seconds: float | None = None


@dataclass(frozen=True)
class Prediction:
    """What is behind a predicted run.

    Attributes:
        hardware: name of the machine that it is predicted for.
        source: where the machine's profile comes from.
        scores: ``"recorded"``: models survive as in the record of the same run; or ``"drawn"`` from the seed.
    """

    hardware: str
    source: str
    scores: str


@dataclass(frozen=True)
class Run:
    """One run record, measured or predicted. With status ``"ok"`` it has repeats, rounds, a ranking and a winner.

    ``resolved`` are the budgets by name, ``excluded`` the models that were ranked last as failed, and why, and
    ``tree`` is the first round's task tree by vertex, a parent before its children; None if it was not recorded.
    """

    run_id: str
    experiment: str
    status: str
    error: str | None
    command: str
    started: str
    finished: str | None
    config: Mapping[str, Any]
    model_set: ModelSet
    dataset: Dataset
    environment: Environment
    storage: Storage
    resolved: Mapping[str, Budget]
    excluded: Mapping[str, str]
    repeats: tuple[Repeat, ...]
    rounds: tuple[Round, ...]
    ranking: tuple[str, ...]
    winner: str | None
    tree: tuple[Vertex, ...] | None = None
    kind: str = "measured"
    prediction: Prediction | None = None

    @property
    def ok(self) -> bool:
        """Whether the run ended well."""
        return self.status == "ok"

    @property
    def origin(self) -> str:
        """What is to be said beside a title where the run was not measured; empty if it was."""
        return "" if self.prediction is None else f", predicted for {self.prediction.hardware}"

    @property
    def strategy(self) -> str:
        """Name of the strategy."""
        return str(self.config["strategy"]["name"])
