"""What a run record says: one search, measured or predicted. Times in seconds, sizes in bytes."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from alsatian.records.base import Count, Flag, Number, Positive, Record, Text
from alsatian.records.data import Dataset
from alsatian.records.repeat import Repeat
from alsatian.records.tree import Tree

SCHEMA = 3
STATUSES = ("ok", "running", "failed", "invalid", "oom", "timeout")
MEASURED: Literal["measured"] = "measured"
PREDICTED: Literal["predicted"] = "predicted"


class ModelSet(Record):
    """What was searched: number of models and blocks, bytes with and without duplicates, how they were read."""

    name: Text
    digest: Text
    models: Count
    blocks: Count
    distinct_blocks: Count
    total_bytes: Count
    distinct_bytes: Count
    notes: tuple[Text, ...] = ()


class Code(Record):
    """The installed package; commit and dirty flag if it is installed from a git checkout."""

    version: str | None
    commit: str | None
    dirty: Flag | None


class Environment(Record):
    """Code, versions and hardware behind a number; None where it is unknown or there is none.

    ``libraries`` are versions by distribution, ``determinism`` the settings that decide about bits,
    ``plugins`` what joined the menu: words of a command line, or packages.
    """

    code: Code
    python: str | None
    platform: str | None
    libraries: dict[str, str | None]
    cpu: str | None
    cores: Count | None
    threads: Count | None
    memory_bytes: Count | None
    gpu: str | None
    cuda: str | None
    driver: str | None
    determinism: dict[str, str | Flag | int | float | None]
    plugins: tuple[Text, ...] = ()

    @property
    def version(self) -> str | None:
        """Of the package."""
        return self.code.version

    @property
    def commit(self) -> str | None:
        """Of the package's checkout."""
        return self.code.commit

    @property
    def dirty(self) -> bool | None:
        """Whether the checkout held changes."""
        return self.code.dirty


class Storage(Record):
    """How the store was read: bandwidth in bytes a second (None for no limit), page cache emptied or not."""

    bandwidth: Positive | None
    cold: Flag


class Budget(Record):
    """A memory budget as asked for, and in bytes (None for no limit)."""

    requested: str | int | float | None
    bytes: Count | None


class Round(Record):
    """Scores on the first ``train_items`` training items; digests of the features where asked for (``verify``).

    ``failed`` says why models have no score. By model also: ``standard_errors`` of scores that are means over test
    items, ``notes`` on scores, ``layers`` (the number of the chosen one, from 1), ``norms`` (median length of the
    features). ``further`` has scores by further proxies, by proxy and model. Scores on no items take no data.
    """

    train_items: Count
    chunks: Count
    scores: dict[str, Number] = {}
    fingerprints: dict[str, Text] = {}
    failed: dict[str, Text] = {}
    standard_errors: dict[str, Number] = {}
    further: dict[str, dict[str, Number]] = {}
    notes: dict[str, tuple[Text, ...]] = {}
    layers: dict[str, Count] = {}
    norms: dict[str, Number] = {}


class Prediction(Record):
    """What is behind a predicted run.

    Attributes:
        hardware, source: the name of the machine that it is predicted for, and where its profile comes from.
        scores: ``"recorded"``: models survive as in the record of the same run; or ``"drawn"`` from the seed.
    """

    hardware: Text
    source: Text
    scores: Literal["recorded", "drawn"]


class Findings(Record):
    """What a search found beside its measurement; equal for all repeats of a run.

    Attributes:
        resolved: budgets by name.
        excluded: models that were ranked last as failed, and why.
        rounds: all of them, with scores.
        warnings: what may be wrong with comparing their scores.
        ranking, winner: model ids, best first, and the first of them.
    """

    resolved: dict[str, Budget] = {}
    excluded: dict[str, Text] = {}
    rounds: tuple[Round, ...] = ()
    warnings: tuple[Text, ...] = ()
    ranking: tuple[str, ...] = ()
    winner: str | None = None


class Run(Findings):
    """One run record. A run whose status is ``"ok"`` has repeats, rounds, a ranking and a winner.

    Attributes:
        version: of the records' schema. Those of version 2 can be read.
        kind: ``"measured"``, or ``"predicted"`` if a cost model speaks (see ``prediction``).
        run_id: digest of the configuration that decides what is measured, the model set, the data and sources.
        experiment, label: whose run it is; what was chosen for it, for people (empty in records of version 2).
        status: ``"running"`` until it has ended.
        error: why the status is not ok: a line, or the end of a traceback.
        started, finished: ISO 8601, UTC.
        command, config: as typed, and the resolved configuration; secrets are ``***``.
        sources: digests of code outside the package, of a profile of a machine, of deltas that the store holds,
            by the setting that chose it.
        tree: the first round's task tree; None if it is very large, or was planned by an earlier attempt.
    """

    version: Literal[2, 3] = Field(alias="schema")
    kind: Literal["measured", "predicted"] = MEASURED
    run_id: Text
    experiment: Text
    label: str = ""
    status: Literal["ok", "running", "failed", "invalid", "oom", "timeout"]
    error: str | None
    command: Text
    started: Text
    finished: str | None
    config: dict[str, Any]
    sources: dict[str, Text] = {}
    model_set: ModelSet
    dataset: Dataset
    environment: Environment
    storage: Storage
    repeats: tuple[Repeat, ...]
    tree: Tree | None = None
    prediction: Prediction | None = None

    @property
    def ok(self) -> bool:
        """Whether the run ended well."""
        return self.status == "ok"

    @property
    def quiet(self) -> tuple[Repeat, ...]:
        """The repeats that others did not disturb, of which statistics are made; all of them if there is none."""
        return tuple(repeat for repeat in self.repeats if not repeat.disturbed) or self.repeats

    @property
    def disturbed(self) -> bool:
        """Whether others disturbed every repeat, so that its times decide nothing."""
        return bool(self.repeats) and all(repeat.disturbed for repeat in self.repeats)

    @property
    def origin(self) -> str:
        """What is to be said beside a title where the run was not measured; empty if it was."""
        return "" if self.prediction is None else f", predicted for {self.prediction.hardware}"

    @property
    def strategy(self) -> str:
        """Name of the strategy."""
        return str(self.config["strategy"]["name"])

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        """What the status promises."""
        strategy = self.config.get("strategy")
        if not isinstance(strategy, dict) or not isinstance(strategy.get("name"), str):
            raise ValueError(f"config.strategy: expected an object with a name, not {strategy!r}")
        if self.status not in ("ok", "running") and not (self.error and self.finished):
            raise ValueError(f"error and finished are needed where the status is {self.status}")
        if len(set(self.ranking)) < len(self.ranking):
            raise ValueError("ranking: holds a model twice")
        if not all(round_.scores or round_.failed for round_ in self.rounds):
            raise ValueError("rounds: each needs at least one model's score, or says why it failed")
        if self.ok:
            for name in ("repeats", "rounds", "ranking"):
                if not getattr(self, name):
                    raise ValueError(f"{name} is empty although the status is ok")
            if self.error is not None or self.finished is None:
                raise ValueError("error is null and finished a time where the status is ok")
            if self.winner != self.ranking[0]:
                raise ValueError(f"winner: {self.winner!r} is not the first of the ranking, {self.ranking[0]!r}")
            if not all(repeat.valid for repeat in self.repeats):
                raise ValueError("a repeat is not valid although the status is ok")
        return self
