"""Runs of an experiment as they are predicted to go. Nothing is searched."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alsatian.api import Prediction
from alsatian.costs.hardware import Hardware
from alsatian.fingerprint import digest_json
from alsatian.searching.rounds import RoundResult
from experiments.configuration.composition import Cell
from experiments.configuration.identity import measured, run_id
from experiments.configuration.redaction import Redaction
from experiments.predictions.case import Case, Predictor
from experiments.runs import record
from experiments.runs.progress import Progress

# Settings in which a run may differ from the base that it is compared with.
_CHOICES = ("strategy", "schedule", "sharing", "order", "cache", "loader", "name", "sweep", "targets")


@dataclass(frozen=True)
class Simulated:
    """A run with its prediction.

    Attributes:
        label: for people: what was chosen for this run.
        strategy: its name.
        workload: digest of all that strategies are compared on.
        prediction: how it goes.
        recorded: the record of the same run, if it was carried out; models survive the rounds as it says, or else
            as drawn from the seed.
        hardware: the machine.
        base_s: predicted wall time of base on the same workload in seconds; None if there is no such run.
    """

    label: str
    strategy: str
    workload: str
    prediction: Prediction
    recorded: Mapping[str, Any] | None
    hardware: Hardware
    base_s: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        found = self.prediction
        measurement = found.measurement
        return {
            "label": self.label,
            "strategy": self.strategy,
            "workload": self.workload,
            "hardware": self.hardware.name,
            "run_id": None if self.recorded is None else self.recorded["run_id"],
            "wall_s": measurement.wall_s,
            "speedup": None if self.base_s is None else self.base_s / measurement.wall_s,
            "parts_s": measurement.parts_s,
            "stalled_s": measurement.stalled_s,
            "counters": measurement.counters,
            "peaks": measurement.peaks,
            "resolved": {name: budget.bytes for name, budget in found.resolved.items()},
            "rounds": [
                {"train_items": r.train_items, "models": len(r.scores), "chunks": r.chunks} for r in found.rounds
            ],
        }


def simulate(cells: Sequence[Cell], progress: Progress) -> list[Simulated]:
    """Predict every run.

    Raises:
        AlsatianError: a configuration is not valid, or the hardware does not know an architecture.
    """
    predictor = Predictor()
    cases = [predictor.case(cell.config, progress) for cell in cells]
    hide = Redaction(case.setup.config for case in cases)
    runs = []
    for done, (cell, case) in enumerate(zip(cells, cases, strict=True)):
        progress.measuring("predicting runs", done, len(cells))
        runs.append(_simulate(case, " ".join(hide.words(cell.overrides)), hide))
    bases: dict[str, float] = {}
    for run in runs:
        if run.strategy == "base":
            bases.setdefault(run.workload, run.prediction.measurement.wall_s)
    return [replace(run, base_s=bases.get(run.workload)) for run in runs]


def _simulate(case: Case, label: str, hide: Redaction) -> Simulated:
    config = hide.config(case.setup.config)
    recorded = _recorded(case, config)
    prediction = case.predict(None if recorded is None else _rounds(recorded))
    workload = {key: value for key, value in measured(config).items() if key not in _CHOICES}
    name = case.setup.strategy.name
    return Simulated(label or name, name, digest_json(workload), prediction, recorded, case.costs.hardware)


def _recorded(case: Case, config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The record of the run, if it was carried out."""
    if case.models is None:
        return None
    identity = run_id(config, case.models, case.setup.dataset)
    path = record.path_of(Path(config["results_dir"]) / config["name"], identity)
    if not record.finished(path):
        return None
    found: Mapping[str, Any] = json.loads(path.read_bytes())
    return found


def _rounds(recorded: Mapping[str, Any]) -> list[RoundResult]:
    return [RoundResult(r["train_items"], r["scores"], {}, r["chunks"]) for r in recorded["rounds"]]
