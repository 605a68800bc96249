"""Several workers of Ray, beside one and beside the prediction.

Searches 16 models of ResNet-18's size by ``alsatian``, from a store at the disk's own speed, on one and on more
workers of one thread each, in turns and in changing order. Every number of workers is predicted with the scores
that it had, by a profile of this machine. Scores have to be the same to the last bit. Needs the extra ``ray``, and
a machine that has a core for each worker and nothing else to do.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from alsatian.api import SearchResult
from alsatian.errors import AlsatianError, ConfigError
from experiments.configuration.composition import cells
from experiments.configuration.console import plain
from experiments.predictions.case import Case, Predictor
from experiments.runs.progress import Progress
from experiments.studies.study import Page, Say, spread, table

SPEED_UP, OF_PREDICTED, ERROR = 1.7, 0.85, 0.10
"""Goals for two workers: how much faster than one, the least share of the predicted speed-up, and its error."""
SEARCH = (
    "strategy=alsatian", "storage=local", "cache.budget=1GiB", "device.threads=1", "batch_size=16",
    "model_set=synthetic_network", "model_set.count=16", "model_set.distribution=top_25", "network=resnet18",
    "network.at=paper", "network.paper.weights=null", "dataset=photographs", "dataset.images.width=256",
    "dataset.images.height=192", "dataset.items=400",
)  # fmt: skip


def cases(counts: Sequence[int], words: Sequence[str], progress: Progress) -> dict[int, Case]:
    """The same search on every number of workers, by that number."""
    predictor = Predictor()
    found = {}
    for count in counts:
        (cell,) = cells([*SEARCH, "machine=ray", f"machine.workers={count}", *words])
        found[count] = predictor.case(cell.config, progress)
    return found


def measure(chosen: Mapping[int, Case], turns: int, say: Say) -> tuple[pd.DataFrame, dict[int, SearchResult]]:
    """``turns`` searches on every number of workers: a line each with ``workers``, ``turn``, ``wall`` seconds,
    seconds until the workers had joined (``start``) and that they worked in the mean (``working``); and the last
    search of each.

    Raises:
        AlsatianError: scores differ.
    """
    lines, last = [], dict[int, SearchResult]()
    for turn in range(turns):
        order = list(chosen)
        for count in order[turn % len(order) :] + order[: turn % len(order)]:
            found = last[count] = chosen[count].run()
            measured = found.measurement
            start = sum(event["wall_s"] for event in measured.events if event["kind"] == "cluster")
            working = sum(worker.wall_s for worker in measured.workers.values()) / count
            lines.append((count, turn, measured.wall_s, start, working))
            say(f"turn {turn + 1} of {turns}, {count} workers: {measured.wall_s:.2f} s, started in {start:.1f} s")
            if [r.scores for r in found.rounds] != [r.scores for r in next(iter(last.values())).rounds]:
                raise AlsatianError(f"{count} workers have other scores than {next(iter(last))}")
    return pd.DataFrame(lines, columns=["workers", "turn", "wall", "start", "working"]), last


def page(samples: pd.DataFrame, predicted: Mapping[int, Mapping[str, Any]]) -> Page:
    """Times and speed-ups by number of workers, measured and ``predicted`` (``wall_s``, ``duplicated_s``)."""
    walls = samples.pivot(index="turn", columns="workers", values="wall")
    one, rows, lines, good = min(predicted), [], [], True
    for count, told in predicted.items():
        ratio = walls[one] / walls[count]
        foreseen = predicted[one]["wall_s"] / told["wall_s"]
        own = samples[samples["workers"] == count]
        rows.append(
            {
                "workers": count,
                "N": len(own),
                "measured, s": spread(own["wall"]),
                "predicted, s": f"{told['wall_s']:.2f}",
                "speed-up": spread(ratio),
                "predicted speed-up": f"{foreseen:.2f}",
                "worked": f"{(own['working'] / own['wall']).median():.0%}",
                "done again, s": f"{told['duplicated_s']:.2f}",
                "to start, s": spread(own["start"], "{:.1f}"),
            }
        )
        if count == one:
            continue
        reached = ratio.median()
        wanted = SPEED_UP if count == 2 else None
        holds = (wanted is None or reached >= wanted) and reached >= OF_PREDICTED * foreseen
        good = good and holds and abs(foreseen / reached - 1) <= ERROR
        goal = "" if wanted is None else f" (goal: at least {wanted})"
        lines.append(
            f"- {count} workers are {reached:.2f}× as fast as {one}{goal}, {reached / foreseen:.2f} of what was "
            f"predicted (goal: at least {OF_PREDICTED}), which is off by {foreseen / reached - 1:+.1%} "
            f"(goal: within {ERROR:.0%})."
        )
    return Page(
        "Several workers on one machine",
        [
            "A search of 16 models made from one ResNet-18 (Top 25%, 224 pixels, 400 photographs) by `alsatian`, "
            "from a store at the disk's own speed, on workers of "
            "Ray with one thread each, in turns and in changing order. *Speed-up*: over the smallest number of "
            "workers, of the same turn. *Worked*: share of the wall time that workers worked in the mean. *Done "
            "again*: inference that more than one worker does, as predicted. *To start*: until the workers had "
            "joined, which is no part of the search. Median with range. Scores were the same to the last bit.",
            table(rows),
            "\n".join(lines),
        ],
        data=samples,
        good=good,
    )


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the study's arguments."""
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], metavar="N", help="default: 1 2")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="turns (default: %(default)s)")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="Hydra overrides, e.g. scale=ci")


def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
    """Measure, predict and compare.

    Raises:
        ConfigError: there is nothing to compare.
    """
    if len(set(options.workers)) < 2 or options.repeats < 1:
        raise ConfigError("--workers needs two numbers at least, and --repeats must be at least 1")
    with Progress(plain()) as progress:
        chosen = cases(sorted(set(options.workers)), options.overrides, progress)
    samples, last = measure(chosen, options.repeats, say)
    predicted = {}
    for count, case in chosen.items():
        found = case.predict(last[count].rounds).measurement
        again = sum(event["duplicated_s"] for event in found.events if event["kind"] == "distribution")
        predicted[count] = {"wall_s": found.wall_s, "duplicated_s": again}
    yield page(samples, predicted)
