"""How far predictions are from what this machine takes.

Measures the machine's profile, carries out the experiments (runs that are on record already are taken from there),
predicts every run with the scores that it had, and compares. For the quickstart and the cache sweep this takes
about eight minutes, during which the machine should have nothing else to do.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

import pandas as pd

from alsatian.errors import AlsatianError
from alsatian.runtime.meter.measurement import NOT_PREDICTED
from experiments.configuration.composition import cells
from experiments.configuration.console import plain
from experiments.predictions.case import Predictor
from experiments.predictions.simulation import PredictedRun, simulate
from experiments.runs import sweep
from experiments.runs.progress import Progress
from experiments.studies.study import Page, Say, table

EXPERIMENTS = ("quickstart", "cache_sweep")
MEDIAN, WORST = 0.10, 0.25
"""Goals for the errors."""
FORMATS = {"predicted, s": "{:.2f}", "measured, s": "{:.2f}", "spread": "{:.1%}", "error": "{:+.1%}"}


def compare(experiment: str, run: PredictedRun) -> dict[str, Any] | None:
    """The run's prediction beside its record, a row of the page; None if it has none that ended well.

    The error is predicted over measured, of which the median over repeats counts, less one.
    """
    if run.measured is None:
        return None
    (found,), repeats = run.record["repeats"], run.measured["repeats"]
    walls = [repeat["wall_s"] for repeat in repeats]
    parts = {
        part: seconds - median(repeat["parts_s"].get(part, 0.0) for repeat in repeats)
        for part, seconds in found["parts_s"].items()
    }
    worst = max(parts, key=lambda part: abs(parts[part]))
    counted = all(_counted(repeat["counters"]) == _counted(found["counters"]) for repeat in repeats)
    peaks = all(repeat["peaks"] == found["peaks"] for repeat in repeats)
    return {
        "experiment": experiment,
        "run": run.label,
        "predicted, s": found["wall_s"],
        "measured, s": median(walls),
        "N": len(walls),
        "spread": max(walls) / min(walls) - 1 if len(walls) > 1 else None,
        "error": found["wall_s"] / median(walls) - 1,
        "furthest off": f"{worst} {parts[worst]:+.2f} s",
        "counters": "equal" if counted else "differ",
        "peaks": "equal" if peaks else "differ",
    }


def _counted(counters: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counters.items() if count and name not in NOT_PREDICTED}


def measure(experiment: str, words: Sequence[str], again: bool, progress: Progress) -> list[dict[str, Any]]:
    """Profile the machine, ``again`` even if it is known, run what is not on record, predict and compare.

    Raises:
        AlsatianError: a run failed.
    """
    chosen = [f"experiment={experiment}", *words]
    found = cells(chosen)
    predictor = Predictor()
    known: set[tuple[object, ...]] = set()
    for cell in found:  # before the runs, and anew only once for everything that they have in common
        config = cell.config
        same = (str(config.model_set), str(config.dataset), str(config.proxy), config.batch_size)
        predictor.case(config, progress, again and same not in known)
        known.add(same)
    outcome = sweep.run(found, chosen, progress)
    if outcome.failed:
        raise AlsatianError(f"{experiment}: {outcome.failed[0]}")
    return [row for run in simulate(found, chosen, progress) if (row := compare(experiment, run)) is not None]


def page(runs: pd.DataFrame) -> Page:
    """Errors by experiment and of every run."""
    sizes = runs["error"].abs()
    rows = [
        {
            "experiment": name,
            "runs": len(errors),
            "median error": f"{errors.abs().median():.1%}",
            "largest": f"{errors.abs().max():.1%}",
            "median with sign": f"{errors.median():+.1%}",
        }
        for name, errors in runs.groupby("experiment", sort=False)["error"]
    ]
    return Page(
        "Predicted and measured on this machine",
        [
            "The machine was profiled first (`alsatian profile`: blocks by themselves, no search); then every run "
            "was predicted with the scores that it had, and compared with what it took.",
            f"- Median error over {len(runs)} runs: **{sizes.median():.1%}** (goal: at most {MEDIAN:.0%}).\n"
            f"- Largest error: **{sizes.max():.1%}** (goal: at most {WORST:.0%}).\n"
            f"- All counters are as predicted in {(runs['counters'] == 'equal').sum()} of {len(runs)} runs, all "
            f"peaks in {(runs['peaks'] == 'equal').sum()}. With read-ahead and fewer blocks in memory than a plan "
            "wants, what is read again is a matter of time; so is how much was read ahead when intermediates take "
            "the most.",
            table(rows),
            "## All runs",
            "*Spread*: slowest over fastest repeat. *Furthest off*: the part of the wall time with the largest "
            "difference.",
            table(runs, **FORMATS),
        ],
    )


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the study's arguments."""
    parser.add_argument("--experiments", nargs="+", metavar="NAME", default=list(EXPERIMENTS), help="to compare")
    parser.add_argument("--again", action="store_true", help="measure the profile also if it is known")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="Hydra overrides, e.g. force=true")


def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
    """Compare all experiments; each leaves a page."""
    rows: list[dict[str, Any]] = []
    for experiment in options.experiments:
        with Progress(plain()) as progress:
            rows += measure(experiment, options.overrides, options.again, progress)
        if rows:
            yield page(pd.DataFrame(rows))
    if not rows:
        raise AlsatianError("no run is on record to compare with")
