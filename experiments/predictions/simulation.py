"""Runs of an experiment as they are predicted to go, as records. Nothing is searched."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alsatian.costs.hardware import Hardware
from alsatian.models.model_set import ModelSet
from alsatian.proxies.base import needs_head
from alsatian.records import PREDICTED, Run
from alsatian.searching.round_result import RoundResult
from experiments.configuration.composition import Cell
from experiments.configuration.identity import run_id
from experiments.configuration.redaction import Redaction
from experiments.predictions.case import Case, Predictor
from experiments.runs import record
from experiments.runs.environment import environment
from experiments.runs.progress import Progress
from experiments.runs.repeat import kept


@dataclass(frozen=True)
class PredictedRun:
    """A run with its prediction.

    Attributes:
        label: for people: what was chosen for this run.
        hardware: the machine that it is predicted for.
        folder: where its record lies, beside those of other runs that are predicted for this machine.
        record: of kind ``predicted``, without secrets.
        measured: the record of the same run if it was carried out; models survive the rounds as it says, or else
            as drawn from the seed.
    """

    label: str
    hardware: Hardware
    folder: Path
    record: dict[str, Any]
    measured: Mapping[str, Any] | None


def simulate(
    cells: Sequence[Cell], words: Sequence[str], progress: Progress, folder: Path | None = None
) -> list[PredictedRun]:
    """Predict every run that ``words`` asked for and save its record.

    Records lie in ``folder``, by default in ``predicted/<hardware>`` in the experiment's results.

    Raises:
        AlsatianError: a configuration is not valid, the hardware does not know an architecture, or a record cannot
            be written.
    """
    predictor = Predictor()
    cases = [predictor.case(cell.plain, progress) for cell in cells]
    hide = Redaction(case.setup.config for case in cases)
    command = shlex.join(["alsatian", "simulate", *hide.words(words)])
    runs = []
    for done, (cell, case) in enumerate(zip(cells, cases, strict=True)):
        progress.measuring("predicting runs", done, len(cells))
        label = " ".join(hide.words(cell.overrides)) or case.setup.strategy.name
        runs.append(_predict(case, label, command, hide, folder))
    for run in runs:  # nothing is written unless all runs could be predicted
        record.save(record.path_of(run.folder, run.record["run_id"]), run.record)
    return runs


def _predict(case: Case, label: str, command: str, hide: Redaction, folder: Path | None) -> PredictedRun:
    setup, hardware = case.setup, case.costs.hardware
    config = hide.config(setup.config)
    identity = run_id(config, case.models, setup.dataset, needs_head(setup.proxy))
    results = Path(config["results_dir"]) / config["name"]
    measured = _measured(case, record.path_of(results, identity))
    unknown = dict.fromkeys(("cores", "threads", "memory_bytes", "gpu", "cuda", "driver"))
    machine = environment().model_copy(update={**unknown, "cpu": f"{hardware.name} (predicted)"})
    entry = record.opening(identity, label, config, command, case.models, setup, machine).plain()
    prediction = case.predict(None if measured is None else _rounds(measured))
    # What the operating system says is about the process that predicts.
    found = kept(replace(prediction, measurement=replace(prediction.measurement, process={}))).plain()
    entry |= {
        **found["findings"],
        "kind": PREDICTED,
        "prediction": {
            "hardware": hardware.name,
            "source": hardware.about,
            "scores": "drawn" if measured is None else "recorded",
        },
        "repeats": [found["repeat"]],
        "tree": found["tree"],
        "status": "ok",
        "finished": record.now(),
    }
    shown: dict[str, Any] = hide.everywhere(Run.of(entry).plain())
    return PredictedRun(label, hardware, folder or results / PREDICTED / hardware.name, shown, measured)


def _measured(case: Case, path: Path) -> Mapping[str, Any] | None:
    """The record of the run, if it was carried out."""
    if not isinstance(case.models, ModelSet) or not record.finished(path):
        return None
    found: Mapping[str, Any] = json.loads(path.read_bytes())
    return found


def _rounds(measured: Mapping[str, Any]) -> list[RoundResult]:
    return [RoundResult(r["train_items"], r["scores"], {}, r["chunks"]) for r in measured["rounds"]]
