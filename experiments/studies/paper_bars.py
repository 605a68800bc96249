"""The paper's end-to-end bars, predicted: a table with the error of every bar, and a figure with both.

``python -m experiments.studies.paper_bars`` simulates the searches behind Figs 10, 13 and 16 on the published
machine, which was calibrated on other figures (see :mod:`experiments.studies.a5000`), and writes
``docs/results/simulated_paper.md`` and ``.png``. It takes less than a minute.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from statistics import median

from rich.console import Console

from alsatian.costs.hardware import Hardware
from alsatian.errors import AlsatianError, ConfigError
from alsatian.files import make_folder, write_bytes
from experiments.configuration.hardware import shipped_profile
from experiments.studies.paper_figure import draw
from experiments.studies.published_bars import (
    APPROACHES,
    BATCH_SIZE,
    FOR_INTERMEDIATES,
    MODELS,
    SEEDS,
    STORAGE,
    Compared,
    compare,
    published,
)

GOAL = 0.15
"""Median error to stay below."""
FAR = 0.25
"""Errors from here on are listed as what does not fit."""
Cell = tuple[str, str, int, str, int]


def by_cell(found: Iterable[Compared]) -> dict[Cell, dict[str, Compared]]:
    """The approaches of every cell."""
    cells: dict[Cell, dict[str, Compared]] = {}
    for one in found:
        cells.setdefault(one.bar.cell, {})[one.bar.approach] = one
    return cells


def in_order(cell: dict[str, Compared]) -> bool:
    """Whether the approaches of a cell are as fast in the same order as published."""
    predicted = sorted(cell, key=lambda approach: cell[approach].predicted)
    return predicted == sorted(cell, key=lambda approach: cell[approach].bar.published)


def median_error(found: Iterable[Compared]) -> float:
    """Of the sizes of the errors."""
    return median(abs(one.error) for one in found)


def page(found: Sequence[Compared], hardware: Hardware, command: str) -> Iterator[str]:
    """The page's lines, in Markdown."""
    cells = by_cell(found)
    right = sum(map(in_order, cells.values()))
    overall = median_error(found)
    yield f"""# The paper's bars, predicted

{date.today()}. Simulated on `hardware={hardware.name}`; nothing was executed, nothing was fitted to these figures.

```
{command}
```

- Median error over all {len(found)} bars of Figs 10, 13 and 16: **{overall:.1%}** (goal: at most {GOAL:.0%}); \
largest {max(abs(one.error) for one in found):.1%}.
- The approaches are in the published order in **{right} of {len(cells)}** cells.

![predicted and published bars](simulated_paper.png)

## Errors
Medians of the sizes of the errors; in brackets the median error with its sign, which shows a bias.
"""
    workloads = list(dict.fromkeys(one.bar.workload for one in found))
    yield from _head(["", *APPROACHES, "all"])
    groups = [
        *(
            (f"Fig {figure}", [one for one in found if one.bar.figure[:2] == figure])
            for figure in ("10", "13", "16")
        ),
        *((workload, [one for one in found if one.bar.workload == workload]) for workload in workloads),
        ("all", list(found)),
    ]
    for name, group in groups:
        own = [[one for one in group if one.bar.approach == approach] for approach in APPROACHES]
        yield _row(name, *(_errors(some) for some in (*own, group)))
    yield f"""
## Assumptions
- {MODELS} models; sets drawn by the paper's procedure ({SEEDS} sets and {SEEDS} rankings, of which the median \
counts; Fig 13's trained sets are taken to be like the synthetic ones of the same distribution). Whole models are \
files of the published sizes, classifier included; blocks are those that this project's splitter finds, \
EfficientNetV2-L at 224 pixels.
- A fifth of the items are for testing; batches of {BATCH_SIZE} that end where a round ends; SHiFT and Alsatian \
have the published rounds (35, 17, 8, 4, 2, 1 models), data doubling from a 32nd of the training items.
- Store: {STORAGE}, at the start of a search only: files that were read stay in the system's memory as far as that \
goes (least recently used first out), so SHiFT reads its models once if 64 GB hold them.
- Alsatian keeps every block that it has loaded in that memory and does not load it again while there is room: the \
paper says that it caches blocks, on an SSD, without saying what reading that costs. DFS+, planned releases; \
intermediates may take {FOR_INTERMEDIATES:.0%} of the memory, blocks have what is left.
- The machine: {hardware.source}.

## What does not fit
"""
    yield from _misfits(found)
    yield "\n## All bars\n"
    names = ["figure", "workload", "items", "distribution", "memory", "approach"]
    yield from _head([*names, "predicted, s", "published, s", "error", "order of the cell"], len(names))
    for one in found:
        bar = one.bar
        memory = f"{bar.memory // 10**9} GB"
        right_order = "right" if in_order(cells[bar.cell]) else "wrong"
        yield _row(
            bar.figure, bar.workload, f"{bar.items}", bar.distribution, memory, bar.approach,
            f"{one.predicted:.1f}", f"{bar.published:.1f}", f"{one.error:+.1%}", right_order,
        )  # fmt: skip


def _misfits(found: Sequence[Compared]) -> Iterator[str]:
    """Bars that are far off, by what they have in common."""
    far = [one for one in found if abs(one.error) > FAR]
    if not far:
        yield f"No bar is off by more than {FAR:.0%}."
        return
    yield f"{len(far)} of {len(found)} bars are off by more than {FAR:.0%}:\n"
    groups: dict[tuple[str, str], list[Compared]] = {}
    for one in far:
        groups.setdefault((one.bar.workload, one.bar.approach), []).append(one)
    for (workload, approach), some in groups.items():
        errors = sorted(one.error for one in some)
        spread = f"{errors[0]:+.0%}" + (f" to {errors[-1]:+.0%}" if len(errors) > 1 else "")
        panels = (f"{one.bar.figure} at {one.bar.memory // 10**9} GB" for one in some)
        where = ", ".join(panels)
        yield f"- {workload}, {approach}: {spread} (Fig {where})"
    yield """
Of Figs 5, 11 and 12 only Fig 11 shows how long whole models really take to load, and only ResNet-152's (Fig 5 has \
file size over bandwidth in that place). What loading takes beyond that is calibrated per block, so that \
a whole ViT-L-32, with as many blocks and five times the bytes, gets no more of it. Where Fig 16 shows parts:
"""
    parts = list(dict.fromkeys(part for one in found for part in one.bar.parts))
    yield from _head(
        ["memory", "approach", *(f"{part.replace('_', ' ')}: predicted, published" for part in parts)], 2
    )
    for one in found:
        if one.bar.parts:
            pairs = (f"{one.parts[part]:.0f}, {one.bar.parts[part]:.0f}" for part in parts)
            yield _row(f"{one.bar.memory // 10**9} GB", one.bar.approach, *pairs)


def _errors(found: Sequence[Compared]) -> str:
    if not found:
        return ""
    return f"{median_error(found):.1%} ({median(one.error for one in found):+.1%})"


def _head(cells: Sequence[str], left: int = 1) -> Iterator[str]:
    yield _row(*cells)
    yield f"|{'---|' * left}{'---:|' * (len(cells) - left)}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Predict and write; 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m experiments.studies.paper_bars", description=__doc__)
    parser.add_argument("--hardware", default="a5000", help="a profile, by name (default: a5000)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"sets to predict (default: {SEEDS})")
    parser.add_argument("--folder", type=Path, default=Path("docs/results"), help="for simulated_paper.md and .png")
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        if options.seeds < 1:
            raise ConfigError("--seeds must be at least 1")
        hardware = shipped_profile(options.hardware)
        found = [compare(bar, hardware, options.seeds) for bar in published()]
        command = f"python -m experiments.studies.paper_bars --hardware {hardware.name} --seeds {options.seeds}"
        text = "\n".join(page(found, hardware, command)) + "\n"
        make_folder(options.folder)
        write_bytes(options.folder / "simulated_paper.md", text.encode())
        draw(found, options.folder / "simulated_paper.png")
    except AlsatianError as error:
        Console(stderr=True, soft_wrap=True).print(f"paper_bars: {error}", markup=False, highlight=False)
        return 1
    console.print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
