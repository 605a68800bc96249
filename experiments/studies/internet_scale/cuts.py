"""Three ways to cut a search for many workers, told by the cost model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import mean
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from alsatian.data.dataset import Batch
from alsatian.planning.distribution.distribute import BLOCKS, DATA, SUBTREES, cut_work
from alsatian.planning.distribution.distribution import Distribution, Worker
from alsatian.planning.distribution.work import Work, numbered
from alsatian.searching.strategy import Strategy
from alsatian.tree import TaskTree
from alsatian.units import factor_text, format_bytes
from analysis.figures import layout, style
from experiments.studies.internet_scale.outlines import Edges, PositionCosts, searched
from experiments.studies.study import Page, table

WORKERS = (1, 8, 64, 1024)
LOOKS = {SUBTREES: (style.GREEN, "^"), BLOCKS: (style.BLUE, "s"), DATA: (style.ORANGE, "o")}
GIGABYTE = 1e9


@dataclass(frozen=True)
class CutSearch:
    """A search by halving on some workers, all rounds together.

    Attributes:
        seconds: the rounds' slowest workers, one after another.
        again: share of preparing and inference that more than one worker does.
        read_mean, read_most: bytes that a worker reads from the store.
        moved_bytes: of features that go from one worker to another.
    """

    seconds: float
    again: float
    read_mean: float
    read_most: float
    moved_bytes: float

    @classmethod
    def of(cls, rounds: Sequence[Distribution]) -> "CutSearch":
        """All ``rounds``."""
        read = [sum(found.read_bytes[name] for found in rounds) for name in rounds[0].read_bytes]
        computed = sum(found.computed_s for found in rounds)
        return cls(
            sum(found.wall_s for found in rounds),
            sum(found.duplicated_s for found in rounds) / computed,
            mean(read),
            max(read),
            sum(found.moved_bytes for found in rounds),
        )


Cuts = Mapping[str, Mapping[int, CutSearch]]
"""By way and number of workers."""


def cut_searches(
    tree: TaskTree,
    strategy: Strategy,
    batches: tuple[Sequence[Batch], Sequence[Batch]],
    costs: PositionCosts,
    scores: dict[str, float],
) -> Cuts:
    """The search of all models of the uncompressed ``tree``, with ``scores`` in every round, on one worker and on
    many; features stay where they are if that is faster."""
    found: dict[tuple[str, int], list[Distribution]] = {(way, n): [] for way in LOOKS for n in WORKERS}
    homes: dict[tuple[str, int], dict[str, str]] = {case: {} for case in found}
    seen = 0
    for upcoming, small, new, items in searched(tree, strategy, batches, scores):
        work = _work(Edges(small, costs, new, items), new)
        for way, count in found:
            workers = [Worker(str(number)) for number in range(count)]
            here = homes[way, count] if way != DATA else {}
            kept = {model: here[model] for model in upcoming.models if model in here}
            one = cut_work(work, new, workers, costs.costs.bandwidth, False, kept, seen, way)
            found[way, count].append(one)
            portions = ((name, model) for name, own in one.portions.items() for p in own for model in p.models)
            homes[way, count] = {model: name for name, model in portions}
        seen = sum(items)
    return {way: {count: CutSearch.of(found[way, count]) for count in WORKERS} for way in LOOKS}


def _work(edges: Edges, new: Sequence[Batch]) -> Work:
    tree, costs = edges.tree, edges.costs
    steps = costs.costs.hardware.step_s
    own = np.array(
        [edges.infer_s + steps, edges.load_s - edges.read_bytes / costs.costs.bandwidth, edges.read_bytes]
    )
    prepare = {root: costs.prepare_s(tree.preprocessing[root], new) for root in tree.roots()}
    return Work.from_vertices(tree, own, edges.score_s, prepare, numbered(tree))


def cuts_page(found: Mapping[str, Cuts], count: int) -> Page:
    """A table of the three ways for every share of models that share blocks."""
    blocks = [
        "Nothing was executed: rounds are cut as a search on many workers cuts them "
        "(`alsatian/planning/distribution`), and their times are those that the cut predicts, of costs, data and "
        f"sets as in [internet_scale.md](internet_scale.md), for {count:,} models by halving with sharing.",
        "![speed-up and bytes by workers](internet_scale_cuts.png)",
        """\
- *By subtrees*: each worker has ranges of models in depth-first order, so that what they share is computed once \
but where two ranges meet.
- *By blocks*: models that have any block in common, directly or through others, stay together. No block is read \
twice.
- *By data*: all workers have all models and divide the batches; one of them gets the features and scores. Of more \
workers than it is worth some have nothing to do.
- Every worker has a way of its own to the store, reads blocks whenever it uses them, and waits for the others \
behind every round. Intermediates fit. Planning, scheduling and failures cost nothing.""",
    ]
    for shared, cuts in found.items():
        blocks += [f"## {shared} of the models share blocks", table(_of_cuts(cuts))]
    blocks.append(
        "*Again*: share of preparing data and of inference that more than one portion does. *Read*: from the store "
        "in all rounds, by a worker in the mean and by the one that reads most. *Moved*: features that go from one "
        "worker to another."
    )
    shared, cuts = next(iter(found.items()))
    return Page(
        "Cutting a search for many workers", blocks, figure=_draw(cuts, count, shared), name="internet_scale_cuts"
    )


def _of_cuts(cuts: Cuts) -> Iterator[dict[str, str]]:
    """A row for each number of workers and way."""
    for workers, way in product(WORKERS, cuts):
        found = cuts[way][workers]
        yield {
            "workers": f"{workers:,}",
            "cut by": way,
            "time": duration(found.seconds),
            "speed-up": factor_text(cuts[way][1].seconds / found.seconds),
            "again": f"{found.again:.1%}",
            "read, mean": format_bytes(found.read_mean),
            "read, most": format_bytes(found.read_most),
            "moved": format_bytes(found.moved_bytes),
        }


def duration(seconds: float) -> str:
    """For people, up to years."""
    for unit, size in (("y", 365.25 * 86400), ("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.{1 if seconds < 100 * size else 0}f} {unit}"
    return f"{seconds:.0f} s"


def _draw(cuts: Cuts, models: int, share: str) -> Figure:
    """Speed-up and bytes that a worker reads, over workers."""
    caption = (
        f"Claim to look for: whole subtrees keep {models:,} models, of which {share} share blocks, near perfect "
        "scaling, while workers that divide the data all read everything. Left: time on one worker over that on "
        "all; the thin line is perfect. Right: what the worker that reads most reads, all rounds together."
    )
    with style.drawing():
        title = "Three ways to cut a search"
        figure, (speed, read) = layout.panels(2, 2, (3.6, 3.0), title, caption)
        for way, (colour, marker) in LOOKS.items():
            of = cuts[way]
            look: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 5, "label": f"by {way}"}
            speed.plot(WORKERS, [of[1].seconds / of[n].seconds for n in WORKERS], **look)
            read.plot(WORKERS, [of[n].read_most / GIGABYTE for n in WORKERS], **look)
        speed.plot(WORKERS, WORKERS, color="black", linewidth=0.6, zorder=1)
        layout.legend(figure, read.get_lines())
        for axes, up in ((speed, "speed-up"), (read, "read by one worker (GB)")):
            axes.set(xscale="log", yscale="log", xlabel="workers", ylabel=up)
            axes.set_xticks(WORKERS, [f"{n:,}" for n in WORKERS])
            axes.minorticks_off()
            axes.yaxis.set_major_formatter("{x:,g}")
            axes.grid(color="#DDDDDD", linewidth=0.6)
    return figure
