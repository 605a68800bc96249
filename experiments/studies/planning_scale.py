"""How long tree and plan take for very many models, and how much memory.

``python -m experiments.studies.planning_scale`` generates model sets as fingerprints, of 40 blocks a model, and
does with them what a search does before a round: build the task tree, cut it to the round's models, compress it,
order it, plan. Every measurement has a process of its own, kept on one core. Nothing is executed.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import floor, log10
from pathlib import Path
from statistics import median

import numpy as np
from rich.console import Console

from alsatian.errors import AlsatianError, ConfigError
from alsatian.files import write_bytes
from alsatian.models.sets.fingerprint_set import GeneratedSet
from experiments.studies.planning_stages import BATCH_SIZE, BUDGET, ITEMS, Measured

STAGES = "experiments.studies.planning_stages"
REPEATED_UP_TO = 100_000
BYTES_PER_MODEL = 12_000
"""Of memory, on top of the libraries: to ask for it before a measurement rather than fail in it."""
GOALS = {100_000: (10, 4e9), 1_000_000: (120, 16e9)}
"""Seconds and bytes for the tree and the first plan."""
FIRST = {"tree": "tree", "prune": "prune to all", "compress": "compress", "order": "DFS+", "plan": "plan"}
"""Stages from candidates to the plan of the first round."""
OTHERS = {
    "half_prune": "prune to half",
    "half_plan": "compress, order and plan the half",
    "steps": "walk all steps",
    "given": "order given",
    "random": "order random",
    "dfs": "order dfs",
    "generate": "generate the set",
}

Runs = Mapping[int, Sequence[Measured]]
"""Measurements by number of models."""


def measure(models: int) -> Measured:
    """Measure once, in a fresh process.

    Raises:
        AlsatianError: that process failed.
    """
    command = [sys.executable, "-m", STAGES, str(models)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise AlsatianError(f"planning {models} models failed: {last}")
    return Measured(**json.loads(done.stdout))


def check_memory(models: int) -> None:
    """Refuse what would not fit beside the machine's other work.

    Raises:
        ConfigError: too little memory is free.
    """
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return  # unknown
    free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    if free < models * BYTES_PER_MODEL:
        raise ConfigError(
            f"--models {models}: about {models * BYTES_PER_MODEL / 1e9:.0f} GB of memory are needed and "
            f"{free / 1e9:.0f} GB are free; {free // BYTES_PER_MODEL} models would fit"
        )


def report(runs: Runs) -> Iterator[str]:
    """The lines, in Markdown: what was measured, on what, and tables of medians."""
    example = GeneratedSet(count=1)
    start = max(m.start_bytes for measured in runs.values() for m in measured)
    yield f"""# Tree and plan for very many models

{datetime.date.today()}, one core of {os.cpu_count()} ({_processor()}), Python {platform.python_version()}, NumPy \
{np.__version__}.

```
python -m experiments.studies.planning_scale --models {" ".join(map(str, runs))}
```

Models are chains of {example.blocks} generated fingerprints, in families of about {example.models_per_family}. A \
model copies a random earlier one of its family and gets new last blocks, their number drawn from the family's \
distribution, one of the paper's (top layers, top 25 %, top 50 %); {example.unshared:.0%} of the models share \
nothing. Every model arrives with blocks and strings of its own, as if read from a manifest. The plan is for \
{ITEMS} items in batches of {BATCH_SIZE} under a cache budget of {BUDGET >> 30} GiB, with planned releases.

## From candidates to the first plan
Seconds that the process had its core, medians of N; of sums also the range.
"""
    header = ["models", "N", *FIRST.values(), "**sum**", "goal", "sum on the wall", "peak memory", "goal"]
    yield from _head(header)
    for models, measured in runs.items():
        seconds, memory = GOALS.get(models, (None, None))
        yield _row(
            [
                f"{models:,}",
                str(len(measured)),
                *(_middle([m.core_s[stage] for m in measured]) for stage in FIRST),
                f"**{_spread([_sum(m.core_s) for m in measured])}**",
                f"{seconds}" if seconds else "",
                _spread([_sum(m.wall_s) for m in measured]),
                f"{max(m.peak_bytes for m in measured) / 1e9:.2f} GB",
                f"{memory / 1e9:.0f} GB" if memory else "",
            ]
        )
    yield "\n## Around it\nSeconds as above. A search prunes, compresses, orders and plans anew in every round.\n"
    yield from _head(["models", *OTHERS.values(), "load"])
    for models, measured in runs.items():
        cells = [_middle([m.core_s[stage] for m in measured]) for stage in OTHERS]
        yield _row([f"{models:,}", *cells, _spread([m.load for m in measured])])
    yield "\n## What there is to plan\n"
    facts = {"vertices": "vertices of the tree", "compressed": "compressed", "chunks": "chunks", "steps": "steps"}
    yield from _head(["models", "blocks", *facts.values()])
    for models, measured in runs.items():
        yield _row(
            f"{count:,}" for count in (models, models * example.blocks, *(measured[0].facts[f] for f in facts))
        )
    yield f"""
Peak memory is the whole process's through all stages of both tables; {start / 1e9:.2f} GB of it are the \
interpreter and its libraries. Models are generated one at a time while the tree is built, and timed apart; \
garbage collections in that time count for the tree, whose objects they look at. *Load* is the mean number of \
processes that wanted one of the machine's cores: above their number the wall clock says little, and shared caches \
slow the core as well."""


def _head(cells: Sequence[str]) -> Iterator[str]:
    yield _row(cells)
    yield f"|{'---:|' * len(cells)}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _sum(seconds: Mapping[str, float]) -> float:
    return sum(seconds[stage] for stage in FIRST)


def _middle(values: Sequence[float]) -> str:
    return _number(median(values))


def _spread(values: Sequence[float]) -> str:
    extremes = f" ({_number(min(values))}–{_number(max(values))})" if len(values) > 1 else ""
    return _middle(values) + extremes


def _number(value: float) -> str:
    """Two significant digits or more, without an exponent."""
    return f"{value:.{max(0, 1 - floor(log10(value))) if value > 0 else 0}f}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m experiments.studies.planning_scale", description=__doc__)
    parser.add_argument("--models", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--repeats", type=int, default=3, help=f"once for more than {REPEATED_UP_TO} models")
    parser.add_argument("--write", type=Path, help="a file for the report, as docs/results/planning_scale.md")
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        if min(*options.models, options.repeats) < 1:
            raise ConfigError("--models and --repeats must be at least 1")
        runs: dict[int, list[Measured]] = {}
        for models in options.models:
            check_memory(models)
            repeats = options.repeats if models <= REPEATED_UP_TO else 1
            runs[models] = [measure(models) for _ in range(repeats)]
        text = "\n".join(report(runs)) + "\n"
        if options.write:
            write_bytes(options.write, text.encode())
    except AlsatianError as error:
        Console(stderr=True, soft_wrap=True).print(f"planning_scale: {error}", markup=False, highlight=False)
        return 1
    console.print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
