"""Runs of an experiment as they are predicted to go.

Nothing is searched, and no model is made if the hardware is not this machine's and the set is known without parameters.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alsatian.blocks.candidate import Candidate
from alsatian.blocks.fingerprint import digest_json
from alsatian.data.dataset import raw_bytes
from alsatian.errors import ConfigError
from alsatian.models.generated import GeneratedSet
from alsatian.models.model_set import ModelSet
from alsatian.models.synthetic import SyntheticSet
from alsatian.planning.costs import CostModel
from alsatian.planning.hardware import Hardware
from alsatian.planning.keys import keys_for, shape_key
from alsatian.searching.schedules import Adaptive
from alsatian.simulation.adaptive import decided
from alsatian.simulation.engine import Scores
from alsatian.simulation.search import Prediction, predict
from experiments import hardware as machines
from experiments import record
from experiments.benchmarks.chains import SETS, read_chains
from experiments.config import Cell
from experiments.identity import run_id
from experiments.redaction import Redaction
from experiments.setup import Parts, Setup, Steps, generator

# Settings that a run may have in another way than the base that it is compared with.
_CHOICES = ("strategy", "schedule", "sharing", "order", "cache", "loader", "name", "title", "sweep", "targets")


@dataclass(frozen=True)
class Outlines:
    """A model set as far as a prediction needs it.

    Attributes:
        candidates: chains of blocks.
        like: the architecture and input whose times stand for their blocks, where they have no code.
        models: the set itself, if it is there.
    """

    candidates: Sequence[Candidate]
    like: str | None = None
    models: ModelSet | None = None


@dataclass(frozen=True)
class Simulated:
    """A run with its prediction.

    Attributes:
        label: for people: what was chosen for this run.
        strategy: its name.
        workload: digest of all that strategies are compared on.
        prediction: how it goes.
        scores: ``"recorded"`` by a finished run that is the same, or ``"drawn"`` from the seed.
        hardware: the machine.
        identity: of the run; None for a set without models.
    """

    label: str
    strategy: str
    workload: str
    prediction: Prediction
    scores: str
    hardware: Hardware
    identity: str | None

    def as_dict(self, base_s: float | None) -> dict[str, Any]:
        """Plain data for JSON."""
        found = self.prediction
        measurement = found.measurement
        return {
            "label": self.label,
            "strategy": self.strategy,
            "workload": self.workload,
            "run_id": self.identity,
            "scores": self.scores,
            "wall_s": measurement.wall_s,
            "speedup": None if base_s is None else base_s / measurement.wall_s,
            "parts_s": measurement.parts_s,
            "stalled_s": measurement.stalled_s,
            "counters": measurement.counters,
            "peaks": measurement.peaks,
            "events": measurement.events,
            "resolved": {name: budget.bytes for name, budget in found.resolved.items()},
            "rounds": [
                {"train_items": r.train_items, "models": len(r.scores), "chunks": r.chunks} for r in found.rounds
            ],
        }


def simulate(cells: Sequence[Cell], steps: Steps, measuring: Steps) -> list[Simulated]:
    """Predict every run.

    Raises:
        AlsatianError: a configuration is not valid, or the hardware does not know an architecture.
    """
    parts = Parts()
    setups = [parts.setup(cell.config) for cell in cells]
    hide = Redaction(setup.config for setup in setups)
    found = []
    for done, (cell, setup) in enumerate(zip(cells, setups, strict=True)):
        measuring("predicting runs", done, len(cells))
        overrides = tuple(hide.words(cell.overrides))
        found.append(_simulate(setup, " ".join(overrides), hide, parts, steps, measuring))
    return found


def _simulate(setup: Setup, label: str, hide: Redaction, parts: Parts, steps: Steps, measuring: Steps) -> Simulated:
    config, dataset = setup.config, setup.dataset
    hardware = machines.given(config)
    outlines = outlines_of(config, hardware, lambda: parts.model_set(config, steps))
    models = outlines.models
    if hardware is None:
        assert models is not None
        hardware = machines.measured(config, models, dataset, setup.proxy, measuring)
    code = models.segments if models else None
    keys = keys_for(hardware, outlines.candidates, code, outlines.like)
    costs = CostModel.of(hardware, keys, setup.storage, raw_bytes(dataset.train_items) / len(dataset.train_items))
    settings: dict[str, Any] = {
        "budget": config["cache"]["budget"], "spill": setup.spill, "loader": setup.loader,
    }  # fmt: skip
    batches = dataset.batches(config["batch_size"])
    strategy = setup.strategy
    if isinstance(strategy.schedule, Adaptive):
        strategy, _ = decided(strategy, outlines.candidates, batches, costs, **settings)
    identity = None if models is None else run_id(hide.config(config), models, dataset)
    known = _recorded(Path(config["results_dir"]) / config["name"], identity)
    prediction = predict(
        outlines.candidates,
        batches,
        costs,
        strategy=strategy,
        scores=known,
        seed=config["seed"],
        file_bytes=None if models is None else _file_bytes(models),
        **settings,
    )
    workload = digest_json({key: value for key, value in hide.config(config).items() if key not in _CHOICES})
    scores = "recorded" if known else "drawn"
    name = setup.strategy.name
    return Simulated(label or name, name, workload, prediction, scores, hardware, identity)


def outlines_of(config: Mapping[str, Any], hardware: Hardware | None, opened: Callable[[], ModelSet]) -> Outlines:
    """The model set of ``config``: without parameters if that is enough for ``hardware``, or else as ``opened``.

    Raises:
        ConfigError: the set exists only as fingerprints and this machine (no ``hardware``) is to be measured.
    """
    made = generator(config)
    if isinstance(made, GeneratedSet):
        if hardware is None:
            raise ConfigError(
                f"model_set={made.name} has no models to measure; choose another hardware, e.g. hardware=a5000"
            )
        return Outlines(list(made), made.like)
    if hardware is not None and isinstance(made, SyntheticSet) and not made.clones:
        for name, known in SETS.items():
            same = ("source", "architecture", "size", "length")
            if dict(made.options) == dict(known.options) and all(
                getattr(made, key) == getattr(known, key) for key in same
            ):
                chain = read_chains()[name]
                like = shape_key(made.architecture, chain.preprocessing)
                return Outlines(chain.models(made.count, made.distribution, made.seed), like)
    models = opened()
    return Outlines(models.candidates, None, models)


def speedups(runs: Sequence[Simulated]) -> list[float | None]:
    """The wall time of base on the same workload, for every run; None where there is none."""
    walls: dict[str, float] = {}
    for run in runs:
        if run.strategy == "base":
            walls.setdefault(run.workload, run.prediction.measurement.wall_s)
    return [walls.get(run.workload) for run in runs]


def _recorded(folder: Path, identity: str | None) -> Scores | None:
    """Scores of the finished run, by model and training items."""
    if identity is None or not record.finished(path := record.path_of(folder, identity)):
        return None
    rounds = json.loads(path.read_bytes())["rounds"]
    known = {(model, found["train_items"]): score for found in rounds for model, score in found["scores"].items()}
    return lambda model, items: known[model, items]


def _file_bytes(models: ModelSet) -> dict[str, int]:
    identities = {block.identity for candidate in models.candidates for block in candidate.blocks}
    return {identity: models.store.block_path(identity).stat().st_size for identity in identities}
