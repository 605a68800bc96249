"""Predictions of the paper's end-to-end bars (Figs 10, 13 and 16), none of which anything was fitted to."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from statistics import median
from typing import Any

import pandas as pd

from alsatian.api import predict
from alsatian.blocks.candidate import Candidate
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
from experiments.studies.published import BATCH, DISTRIBUTIONS, FILE_BYTES, MODELS, rows

FIGURES = ("10", "13", "16")
STORAGE = Storage(bandwidth="200MB", cold=True)
APPROACHES = ("base", "shift", "alsatian")
MEMORY = 64_000_000_000
"""Bytes of the published machine's memory, where a figure says nothing else."""
FOR_INTERMEDIATES = 0.5
"""Share of the memory that intermediates may take; blocks that stay have what they leave."""
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

    New columns are ``predicted`` (seconds), ``predicted parts``, and those of :func:`judged`.
    """
    return judged(pd.DataFrame(bar | _predict(bar, hardware, seeds) for bar in bars.to_dict("records")))


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
    found = [_search(hardware, *what, *draw) for draw in draws]
    parts = {part: median(m.parts_s[part] for m in found) for part in found[0].parts_s}
    return {"predicted": median(m.wall_s for m in found), "predicted parts": parts}


@cache  # Fig 13 asks again what Fig 10 asks
def _search(
    profile: str, workload: str, items: int, approach: str, memory: int, distribution: str, seed: int
) -> Measurement:
    hardware, shares = shipped_profile(profile), approach == "alsatian"
    chain = read_chains()[PUBLISHED[workload]]
    candidates = chain.models(MODELS, DISTRIBUTIONS.get(distribution, "top_layers"), seed)
    batches, halving = batches_of(items // 5, items - items // 5, BATCH, MODELS), PaperHalving()
    strategies = {
        "base": strategy_named("base"),
        "shift": replace(strategy_named("shift"), schedule=halving),
        "alsatian": Strategy(schedule=halving),
    }
    keys = keys_for(hardware, candidates, like=shape_key(SETS[chain.name].spec, chain.preprocessing))
    if not shares:
        candidates, keys = _in_files(candidates, keys, FILE_BYTES[workload])

    def found(pages: int, blocks: int) -> Measurement:
        return predict(
            candidates,
            batches,
            CostModel.of(replace(hardware, page_cache_bytes=pages), keys, STORAGE),
            strategy=strategies[approach],
            budget=Budgets(budget=int(memory * FOR_INTERMEDIATES), block_budget=blocks),
            loader=LoaderSettings(keep=shares, read_ahead=False),
            seed=seed,
        ).measurement

    if not shares:
        return found(memory, 1)
    # What intermediates hold does not depend on the room for blocks, which have the rest.
    return found(0, memory - found(0, memory).peaks["cache_bytes"])


def _in_files(
    candidates: Sequence[Candidate], keys: Mapping[str, str], file_bytes: float
) -> tuple[list[Candidate], dict[str, str]]:
    """The models as files of their own, which share nothing and hold the classifier as well, and their keys."""
    models, found = [], {}
    for candidate in candidates:
        blocks = [replace(block, identity=f"{candidate.id} {block.identity}") for block in candidate.blocks]
        found.update({new.identity: keys[old.identity] for new, old in zip(blocks, candidate.blocks, strict=True)})
        rest = round(file_bytes) - candidate.parameter_bytes
        blocks[-1] = replace(blocks[-1], parameter_bytes=blocks[-1].parameter_bytes + rest)
        models.append(replace(candidate, blocks=tuple(blocks)))
    return models, found
