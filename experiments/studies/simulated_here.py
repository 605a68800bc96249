"""Predicted against measured times on this machine, run by run.

``python -m experiments.studies.simulated_here`` measures the machine's profile, carries out the experiments
(runs that are on record already are taken from there), predicts every run with the scores that it had, and writes
``docs/results/simulated_here.md``. For the quickstart and the cache sweep this takes about eight minutes, during
which the machine should have nothing else to do.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from alsatian.errors import AlsatianError
from alsatian.files import make_folder, write_bytes
from experiments.configuration.composition import cells
from experiments.predictions.case import Predictor
from experiments.predictions.simulation import PredictedRun, simulate
from experiments.runs import sweep
from experiments.runs.environment import environment
from experiments.runs.progress import Progress

EXPERIMENTS = ("quickstart", "cache_sweep")
MEDIAN, WORST = 0.10, 0.25
"""Goals for the errors."""
NOT_PLANNED = ("warm_reads",)
"""Counters of what the operating system did."""


@dataclass(frozen=True)
class Compared:
    """A run: predicted and measured.

    Attributes:
        experiment: its name.
        label: what was chosen for the run.
        predicted, measured: wall time in seconds, of the latter the median over ``repeats``.
        spread: largest over smallest of the repeats, less one.
        repeats: their number.
        part: the part of the wall time whose prediction is furthest off in seconds.
        part_error_s: how far: predicted less measured.
        counted: whether all counters are as predicted in all repeats.
        peaks: the same for peaks.
    """

    experiment: str
    label: str
    predicted: float
    measured: float
    spread: float
    repeats: int
    part: str
    part_error_s: float
    counted: bool
    peaks: bool

    @property
    def error(self) -> float:
        """Predicted over measured, less one."""
        return self.predicted / self.measured - 1


def compare(experiment: str, run: PredictedRun) -> Compared | None:
    """The run's prediction beside its record; None if it has none that ended well."""
    if run.measured is None:
        return None
    (found,), repeats = run.record["repeats"], run.measured["repeats"]
    walls = [repeat["wall_s"] for repeat in repeats]
    parts = {
        part: seconds - median(repeat["parts_s"].get(part, 0.0) for repeat in repeats)
        for part, seconds in found["parts_s"].items()
    }
    worst = max(parts, key=lambda part: abs(parts[part]))
    return Compared(
        experiment,
        run.label,
        found["wall_s"],
        median(walls),
        max(walls) / min(walls) - 1,
        len(walls),
        worst,
        parts[worst],
        all(_counted(repeat["counters"]) == _counted(found["counters"]) for repeat in repeats),
        all(repeat["peaks"] == found["peaks"] for repeat in repeats),
    )


def _counted(counters: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counters.items() if count and name not in NOT_PLANNED}


def carry_out(experiment: str, words: Sequence[str], again: bool, progress: Progress) -> list[Compared]:
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
    return [one for run in simulate(found, chosen, progress) if (one := compare(experiment, run)) is not None]


def page(found: Sequence[Compared], command: str) -> Iterator[str]:
    """The page's lines, in Markdown."""
    machine = environment()
    errors = [abs(one.error) for one in found]
    yield f"""# Predicted and measured on this machine

{date.today()}, {machine["cpu"]}, {machine["cores"]} cores, Python {machine["python"]}, PyTorch \
{machine["libraries"]["torch"]}.

```
{command}
```

The machine was profiled first (`alsatian profile`: blocks by themselves, no search); then every run was predicted \
with the scores that it had, and compared with what it took.

- Median error over {len(found)} runs: **{median(errors):.1%}** (goal: at most {MEDIAN:.0%}).
- Largest error: **{max(errors):.1%}** (goal: at most {WORST:.0%}).
- All counters are as predicted in {sum(one.counted for one in found)} of {len(found)} runs, all peaks in \
{sum(one.peaks for one in found)}. With read-ahead and fewer blocks in memory than a plan wants, what is read \
again is a matter of time; so is how much was read ahead when intermediates take the most.

| experiment | runs | median error | largest | median with sign |
|---|---:|---:|---:|---:|"""
    for name in dict.fromkeys(one.experiment for one in found):
        own = [one.error for one in found if one.experiment == name]
        sizes = [abs(error) for error in own]
        yield f"| {name} | {len(own)} | {median(sizes):.1%} | {max(sizes):.1%} | {median(own):+.1%} |"
    yield """
## All runs
*Spread*: slowest over fastest repeat. *Furthest off*: the part of the wall time with the largest difference.

| experiment | run | predicted, s | measured, s | N | spread | error | furthest off | counters | peaks |
|---|---|---:|---:|---:|---:|---:|---|---|---|"""
    for one in found:
        cells: list[Any] = [
            one.experiment, one.label, f"{one.predicted:.2f}", f"{one.measured:.2f}", one.repeats,
            f"{one.spread:.1%}" if one.repeats > 1 else "", f"{one.error:+.1%}",
            f"{one.part} {one.part_error_s:+.2f} s",
            *("equal" if same else "differ" for same in (one.counted, one.peaks)),
        ]  # fmt: skip
        yield f"| {' | '.join(map(str, cells))} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, predict and write; 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m experiments.studies.simulated_here", description=__doc__)
    parser.add_argument("--experiments", nargs="+", default=list(EXPERIMENTS), help="to compare")
    parser.add_argument("--again", action="store_true", help="measure the profile also if it is known")
    parser.add_argument("--folder", type=Path, default=Path("docs/results"), help="for simulated_here.md")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="Hydra overrides, e.g. force=true")
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        found: list[Compared] = []
        for experiment in options.experiments:
            with Progress(console) as progress:
                found += carry_out(experiment, options.overrides, options.again, progress)
        if not found:
            raise AlsatianError("no run is on record to compare with")
        words = [*(["--again"] if options.again else []), *options.overrides]
        if options.experiments != list(EXPERIMENTS):
            words += ["--experiments", *options.experiments]
        text = "\n".join(page(found, " ".join(["python -m experiments.studies.simulated_here", *words]))) + "\n"
        make_folder(options.folder)
        write_bytes(options.folder / "simulated_here.md", text.encode())
    except AlsatianError as error:
        Console(stderr=True, soft_wrap=True).print(f"simulated_here: {error}", markup=False, highlight=False)
        return 1
    console.print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
