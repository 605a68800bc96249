"""Predictions of the paper's end-to-end bars (Figs 10, 13 and 16)."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from statistics import median
from typing import Any

import pandas as pd

from alsatian.api import predict
from alsatian.budgets import Budgets
from alsatian.costs.keys import keys_for, shape_key
from alsatian.costs.model import CostModel
from alsatian.data.dataset import batches_of
from alsatian.runtime.loading.settings import LoaderSettings
from alsatian.runtime.meter.measurement import Measurement
from alsatian.runtime.storage.regime import Storage
from alsatian.searching.schedules import PaperHalving
from alsatian.searching.strategy import Strategy
from experiments.configuration.hardware import shipped_profile
from experiments.configuration.setup import strategy_named
from experiments.predictions.chains import PUBLISHED, SETS, read_chains
from experiments.studies.published import BATCH, DISTRIBUTIONS, MODELS, fig11, rows, whole_load

FIGURES = ("10", "13", "16")
STORAGE = Storage(bandwidth="200MB", cold=True)
APPROACHES = ("base", "shift", "alsatian")
MEMORY = 64_000_000_000
"""Bytes of the published machine's memory, where a figure says nothing else."""
FOR_INTERMEDIATES = 0.5
"""Share of the memory that intermediates may take."""
CELL = ["panel", "workload", "items", "distribution", "room"]
"""Columns that say what the approaches are compared in."""


def published() -> pd.DataFrame:
    """The bars, in the paper's order.

    Columns: ``figure`` (with its panel, e.g. ``"10a"``), ``workload``, ``items``, ``distribution`` and ``approach``
    as there, ``room`` (bytes of memory), ``panel`` (the figure without the panels of single approaches),
    ``published`` (seconds) and ``parts`` (published seconds of each part, where the figure shows them).
    """
    bars: dict[tuple[str, str, int, str, str, int], dict[str, float]] = {}
    for row in rows(*FIGURES).to_dict("records"):
        if row["unit"] == "seconds":
            workload, _, memory = row["workload"].partition("@")
            room = int(memory.removesuffix("GB") or 0) * 10**9 or MEMORY
            figure = row["figure"] + row["panel"]
            where = (figure, workload, row["items"], row["distribution"], row["approach"], room)
            bars.setdefault(where, {})[row["component"]] = row["value"]
    lines = []
    for where, seconds in bars.items():
        line = dict(zip(("figure", "workload", "items", "distribution", "approach", "room"), where, strict=True))
        panel = "16" if where[0].startswith("16") else where[0]  # it has a panel for each approach
        lines.append({**line, "panel": panel, "published": seconds.pop("total"), "parts": seconds})
    return pd.DataFrame(lines)


def compare(bars: pd.DataFrame, hardware: str, seeds: int) -> pd.DataFrame:
    """``bars`` as predicted: the median over ``seeds`` sets.

    New columns are ``predicted`` (seconds), ``predicted parts``, ``calibrated`` (whether the machine was calibrated
    on the same search), and those of :func:`judged`.
    """
    used = {_searched(vars(part) | {"room": MEMORY}) for part in (*fig11(), whole_load())}
    bars = bars.assign(calibrated=[_searched(bar) in used for bar in bars.to_dict("records")])
    return judged(pd.DataFrame(bar | _predict(bar, hardware, seeds) for bar in bars.to_dict("records")))


def _searched(bar: Mapping[Any, Any]) -> tuple[Any, ...]:
    """What is searched for a bar: who shares nothing takes as long whatever models share."""
    shared = bar["distribution"] if bar["approach"] == "alsatian" else ""
    return (*(bar[name] for name in ("workload", "items", "approach", "room")), shared)


def speedups(bars: pd.DataFrame) -> pd.DataFrame:
    """``bars`` with how many times faster than Base: ``predicted``, ``published``, ``error`` as of :func:`judged`;
    ``calibrated`` if both bars are."""
    base = bars[bars["approach"] == "base"].set_index(CELL)
    others = bars[bars["approach"] != "base"].set_index(CELL)
    slow = base.loc[others.index]
    found = {name: slow[name] / others[name] for name in ("predicted", "published")}
    others = others.assign(**found, calibrated=slow["calibrated"] & others["calibrated"])
    return others.assign(error=others["predicted"] / others["published"] - 1).reset_index()


def judged(bars: pd.DataFrame) -> pd.DataFrame:
    """Predicted ``bars`` with ``error`` and ``right``.

    The error is predicted over published, less one; right is where the approaches of the bar's cell are as fast in
    the published order.
    """
    cells = bars.groupby(CELL)
    alike = cells["predicted"].rank("first") == cells["published"].rank("first")
    right = alike.groupby([bars[name] for name in CELL]).transform("all")
    return bars.assign(error=bars["predicted"] / bars["published"] - 1, right=right)


def _predict(bar: Mapping[Any, Any], hardware: str, seeds: int) -> dict[str, Any]:
    # Without sharing no draw matters, nor what models share.
    draws = [(bar["distribution"], seed) for seed in range(seeds)] if bar["approach"] == "alsatian" else [("", 0)]
    what = [bar[name] for name in ("workload", "items", "approach", "room")]
    found = [search(hardware, *what, *draw) for draw in draws]
    parts = {part: median(m.parts_s[part] for m in found) for part in found[0].parts_s}
    return {"predicted": median(m.wall_s for m in found), "predicted parts": parts}


@cache  # Fig 13 asks again what Fig 10 asks
def search(
    profile: str, workload: str, items: int, approach: str, memory: int, distribution: str, seed: int
) -> Measurement:
    """One search as it is predicted; without ``distribution`` for those that do not share."""
    hardware = shipped_profile(profile)
    chain = read_chains()[PUBLISHED[workload]]
    candidates = chain.models(MODELS, DISTRIBUTIONS.get(distribution, "top_layers"), seed)
    batches, halving = batches_of(items // 5, items - items // 5, BATCH, MODELS), PaperHalving()
    strategies = {
        "base": strategy_named("base"),
        "shift": replace(strategy_named("shift"), schedule=halving),
        "alsatian": Strategy(schedule=halving),
    }
    keys = keys_for(hardware, candidates, like=shape_key(SETS[chain.name].spec, chain.preprocessing))

    return predict(
        candidates,
        batches,
        # As experiment=fig16 has it: what intermediates and processes leave of less memory holds no files.
        CostModel.of(hardware, keys, replace(STORAGE, page_cache=memory >= MEMORY)),
        strategy=strategies[approach],
        budget=Budgets(budget=int(memory * FOR_INTERMEDIATES)),
        loader=LoaderSettings(keep=False, read_ahead=False, compute_ahead=False),
        seed=seed,
    ).measurement
