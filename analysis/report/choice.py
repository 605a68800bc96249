"""What a page needs to set any two of its runs side by side: what was chosen, and what came of it."""

from collections.abc import Sequence
from typing import Any

from alsatian.records import Run
from alsatian.units import printable
from analysis.comparing.comparable import conditions, settings, workload
from analysis.comparing.facts import UNSET, code
from analysis.comparing.labels import in_order
from analysis.comparing.measurements import PARTS, Spread, wall
from analysis.report.charts.chart import record

# Runs of one page; of more, the first ones.
MOST = 400


def runs(found: Sequence[tuple[str, str, Sequence[Run]]]) -> dict[str, Any]:
    """Runs that ended well as plain data; ``found`` are experiments: name, folder beside the page, runs.

    ``keys`` are the settings and facts in which any of them differ, ``values`` the texts that ``config`` of a run
    points to; ``models`` are what its ``rounds`` point to: training items, and the score of each model.
    """
    listed = [(name, folder, label, run) for name, folder, own in found for label, run in in_order(own)][:MOST]
    facts = [_facts(run) for *_, run in listed]
    keys = sorted({key for own in facts for key in own})
    keys = [key for key in keys if len({own.get(key, UNSET) for own in facts}) > 1]
    values: dict[str, int] = {}
    models: dict[str, int] = {}
    told = [
        {
            "experiment": name,
            "label": printable(label + run.origin),
            "record": record(run.run_id, folder),
            "workload": workload(run),
            "conditions": conditions(run),
            "config": [values.setdefault(printable(own.get(key, UNSET)), len(values)) for key in keys],
            "numbers": {**_times(run), **_counts(run)},
            "ranking": [models.setdefault(printable(model), len(models)) for model in run.ranking],
            "rounds": [
                [one.train_items, {models.setdefault(printable(m), len(models)): s for m, s in one.scores.items()}]
                for one in ([] if run.prediction else run.rounds)
            ],
        }
        for (name, folder, label, run), own in zip(listed, facts, strict=True)
    ]
    return {"keys": keys, "values": list(values), "models": list(models), "runs": told}


def _facts(run: Run) -> dict[str, str]:
    """Settings, models and data, storage, hardware and versions."""
    machine, items = run.environment, run.dataset.train_items + run.dataset.test_items
    more = {
        "models": f"{run.model_set.name} ({run.model_set.models} models, {run.model_set.digest[:12]})",
        "data": f"{run.dataset.name} ({items:,} items, {run.dataset.digest[:12]})",
        "code": code(run), "CPU": machine.cpu, "GPU": machine.gpu, "cores": machine.cores,
        "threads": machine.threads, "Python": machine.python, "torch": machine.libraries.get("torch"),
        "storage regime": f"{run.storage.bandwidth or 'unlimited'} B/s, {'cold' if run.storage.cold else 'warm'}",
    }  # fmt: skip
    return settings(run.config) | {name: str(value) for name, value in more.items() if value is not None}


def _times(run: Run) -> dict[str, list[float]]:
    """Median, least and most of the wall time and its parts in seconds, and how many repeats there are."""
    whole = [repeat for repeat in run.repeats if repeat.level != "total"]
    parts = {part: Spread.of([repeat.parts_s.get(part, 0.0) for repeat in whole]) for part in PARTS if whole}
    found = {"wall time s": wall(run)} | {f"{part.replace('_', ' ')} s": spread for part, spread in parts.items()}
    return {name: _plain(spread) for name, spread in found.items()}


def _counts(run: Run) -> dict[str, list[float]]:
    """The same of counters, and of peaks."""
    names = {name for repeat in run.repeats for name in repeat.counters}
    found = {n: Spread.of([float(r.counters.get(n, 0)) for r in run.repeats]) for n in sorted(names)}
    peaks = {name for repeat in run.repeats for name in repeat.peaks}
    found |= {f"peak {n}": Spread.of([float(r.peaks.get(n, 0)) for r in run.repeats]) for n in sorted(peaks)}
    return {printable(name.replace("_", " ")): _plain(spread) for name, spread in found.items()}


def _plain(spread: Spread) -> list[float]:
    return [float(f"{value:.6g}") for value in (spread.median, spread.low, spread.high)] + [spread.count]
