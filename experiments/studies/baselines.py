"""Where each strategy of the field of baselines wins, and why.

A page from what ``alsatian run experiment=baselines`` left (minutes at laptop scale): times, who is fastest in each
cell and what decides it, whether ``auto`` is ever slower than the best other, and what the controls are worth.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from alsatian.errors import AlsatianError
from alsatian.records import ResultsError, Run, reading
from alsatian.records.settings import NOT_IDENTITY
from analysis.comparing import winners
from analysis.comparing.checks import compare_scores
from analysis.comparing.comparable import computed
from analysis.comparing.measurements import measured
from analysis.comparing.sweeps import cache_budget
from analysis.figures import curves, style
from analysis.grammar.charts import charts
from analysis.grammar.words import Words
from analysis.report.findings import score_line
from experiments.studies import freshness
from experiments.studies.study import Page, Say, spread, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = ("block_executions", "bytes_read")


def page(runs: Sequence[Run]) -> Page:
    """What finished ``runs`` say, in the order in which they were measured."""
    found = winners.cells(runs)
    checks = compare_scores(runs)
    walls = pd.DataFrame([_row(run) for run in runs])
    drawn = _figure(runs)
    blocks = [
        f"{len(runs)} runs of `{_command(runs[0])}`. A *cell* is one model set at one budget of the cache of "
        "intermediates, a share of what the first round could use again. Times are seconds, medians with their "
        f"range; all that are within {winners.CLOSE - 1:.0%} of the fastest count as fastest. `auto` divides "
        "memory anew: it keeps to the sum of the budgets of intermediates and of blocks (cache.block_budget="
        f"{runs[0].config['cache']['block_budget']}), all others to each, so a small budget of intermediates alone "
        "does not bind it.",
        "\n".join(f"- {line}" for line in (*winners.told(runs), f"{score_line(checks)}.", *_controls(runs))),
        *(["![Wall time over the cache budget, a panel a model set](baselines.png)"] if drawn else []),
        "## Who wins, and why",
        table([_cell(cell) for cell in found]),
    ]
    for models, own in walls.groupby("models", sort=False):
        times = own.pivot(index="strategy", columns="budget", values="time")
        times = times.reindex(own["strategy"].unique())[own["budget"].unique()].reset_index()
        blocks += [f"## {models}", table(times.rename(columns={"strategy": "seconds at a budget of"}))]
    return Page(
        "A field of baselines", blocks, walls.drop(columns="time"), drawn,
        good=not any(check.mismatches for check in checks),
        source=lambda now: freshness.of_records(now, _command(runs[0]), runs),
    )  # fmt: skip


def _figure(runs: Sequence[Run]) -> "Figure | None":
    """What the experiment's own words ask for; None if it has none, as where only some cells were run."""
    written = runs[0].config.get("figure")
    words = Words.of(written) if isinstance(written, dict) else None
    if words is None:
        return None
    found = charts(runs, words)
    with style.drawing():
        return curves.curves(found[0], "", "").draw("", "") if len(found) == 1 else None


def _command(run: Run) -> str:
    """How ``run`` was asked for, but for where its files lie."""
    return " ".join(word for word in run.command.split() if word.partition("=")[0] not in NOT_IDENTITY)


def _row(run: Run) -> dict[str, object]:
    values, seconds = measured(run), [repeat.wall_s for repeat in run.quiet]
    return {
        "models": run.model_set.name,
        "budget": str(cache_budget(run).requested),
        "strategy": run.strategy,
        "time": spread(seconds) if computed(run) else "nothing computed",
        "wall_s": values["wall_s"].median,
        "repeats": len(seconds),
        **{name: values[name].median for name in SHOWN},
        "winner": run.winner,
    }


def _cell(cell: winners.Cell) -> dict[str, str]:
    behind = cell.behind()
    return {
        "models": cell.models,
        "budget": cell.budget,
        "fastest": ", ".join(f"`{name}`" for name in cell.fastest),
        "next": f"`{cell.next.strategy}`: {cell.reason}" if cell.next else "–",
        f"`{winners.SUBJECT}` over the best other": f"{behind[0]:.2f}×" if behind else "–",
        "more than it on": behind[1] if behind else "–",
    }


def _controls(runs: Sequence[Run]) -> Iterator[str]:
    """Where an exhaustive search ranks the model that a control takes for the best, for each model set."""
    exhaustive = {run.model_set.digest: run.ranking for run in runs if run.strategy == "base"}
    controls = {(run.strategy, run.model_set.digest): run for run in runs if not computed(run)}
    for (name, models), run in controls.items():
        if ranking := exhaustive.get(models):
            place = f"{ranking.index(run.ranking[0]) + 1} of {len(ranking)}"
            yield f"{name} computes nothing; on {run.model_set.name} base ranks its choice {place}."


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the study's arguments."""
    parser.add_argument("results", type=Path, help="the experiment's folder, e.g. results/baselines")


def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
    """Read the records and yield the page."""
    try:
        runs = sorted(reading.load(options.results).finished, key=lambda run: run.started)
    except ResultsError as error:
        raise AlsatianError(f"{error}; alsatian run experiment=baselines makes them") from None
    if not winners.cells(runs):
        raise AlsatianError(f"{options.results}: no two strategies were measured on the same models and data")
    cells = [(run.model_set.digest, str(cache_budget(run).requested), run.strategy) for run in runs]
    if len(set(cells)) < len(cells):
        raise AlsatianError(
            f"{options.results}: holds runs of a strategy under several configurations; keep those of one command"
        )
    yield page(runs)
