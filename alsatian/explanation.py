"""What a search is going to do, and why, as plain data: one entry for each round."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from alsatian.blocks.candidate import Candidate
from alsatian.costs.model import CostModel
from alsatian.machines.timed.machine import PlannedRound
from alsatian.planning.distribution.distribution import Distribution
from alsatian.planning.orders.base import Shape, min_cache_size
from alsatian.planning.plan import Infer, Plan, Score
from alsatian.planning.vertices import vertex_rows
from alsatian.runtime.meter.measurement import Measurement
from alsatian.searching.search import Prediction


def explain(prediction: Prediction, candidates: Sequence[Candidate], costs: CostModel) -> dict[str, Any]:
    """The rounds of a search of ``candidates`` as predicted by ``costs``.

    Every round has ``models``, ``train_items``, ``new_items`` and how they are cut into ``chunks``, ``sharing``,
    the compressed ``tree`` by vertex (see :mod:`~alsatian.planning.vertices`) with the seconds of its inference,
    the ``steps`` of the last chunk in order, with several workers the ``distribution`` of the work, what was
    ``predicted`` (seconds, parts, counters), and the predicted ``peaks`` of the tiers in bytes where releases are
    planned.
    """
    measurement = prediction.measurement
    lengths = {candidate.id: len(candidate.blocks) for candidate in candidates}
    return {
        "budgets": {name: budget.bytes for name, budget in prediction.resolved.items()},
        "rounds": [_round(planned, lengths, costs) for planned in prediction.plans],
        "predicted": {
            "wall_s": measurement.wall_s,
            "parts_s": measurement.parts_s,
            "counters": measurement.counters,
            "peaks": measurement.peaks,
            "events": [event for event in measurement.events if event["kind"] == "schedule"],
            "rounds": rounds_of(measurement),
        },
    }


def rounds_of(measurement: Measurement) -> list[dict[str, Any]]:
    """What each round took: ``models``, ``train_items``, ``wall_s`` and ``parts_s``."""
    names = ("models", "train_items", "wall_s", "parts_s")
    return [{name: event[name] for name in names} for event in measurement.events if event["kind"] == "round"]


def _round(planned: PlannedRound, lengths: dict[str, int], costs: CostModel) -> dict[str, Any]:
    plan, before, after = planned.plan, planned.before, planned.after
    models = plan.tree.all_models()
    counters = Counter(after.counters)
    counters.subtract(before.counters)
    items = [sum(batch.items for batch in chunk) for chunk in plan.chunks]
    batches = sum(len(chunk) for chunk in plan.chunks)
    whole = sum(lengths[model] for model in models) * batches
    return {
        "models": len(models),
        "train_items": planned.train_items,
        "new_items": sum(items),
        "batches": batches,
        "chunks": len(items),
        "chunk_items": max(items, default=0),
        "chunking": _chunking(plan, models, items),
        "note": plan.note,
        "memory": None if plan.memory is None else list(plan.memory),
        "peaks": None if plan.peaks is None else list(plan.peaks),
        "sharing": {
            "block_executions": counters["block_executions"],
            "without_sharing": whole,
            "blocks": len({block.identity for block in plan.tree.blocks.items}),
            "blocks_without_sharing": sum(lengths[model] for model in models),
            "blocks_read": counters["blocks_read"],
        },
        "tree": _tree(planned, costs),
        "steps": _steps(plan),
        "distribution": None if planned.distribution is None else _distribution(planned.distribution),
        "predicted": {
            "wall_s": after.wall_s - before.wall_s,
            "parts_s": {part: after.parts_s[part] - before.parts_s[part] for part in after.parts_s},
            "counters": {name: count for name, count in sorted(counters.items()) if count},
        },
    }


def _distribution(found: Distribution) -> dict[str, Any]:
    """Who of several workers does what, and why: facts of the whole, and one entry for every worker."""
    workers = [
        {
            "worker": name,
            "models": sum(len(portion.models) for portion in own),
            "portions": len(own),
            "seconds": found.seconds[name],
            "read_bytes": found.read_bytes[name],
            "again_s": sum(portion.again_s for portion in own),
            "why": list(dict.fromkeys(portion.why for portion in own)),
        }
        for name, own in found.portions.items()
    ]
    return {**found.facts(), "workers": workers}


def _chunking(plan: Plan, models: Sequence[str], items: Sequence[int]) -> dict[str, Any]:
    """C_min of the usual plan of these vertices in their order, and what a whole pass would need."""
    order = [step.vertex for step in plan.steps if isinstance(step, Infer) and step.chunk == 0]
    whole = not plan.fused and not plan.recomputed and plan.peaks is not None and len(order) == len(plan.tree)
    if not whole or not items:
        return {"c_min_bytes_per_item": None, "whole_pass_bytes": None}
    c_min = min_cache_size(Shape.of(plan.tree, models), order)
    return {"c_min_bytes_per_item": c_min, "whole_pass_bytes": c_min * sum(items)}


def _tree(planned: PlannedRound, costs: CostModel) -> list[dict[str, Any]]:
    """Every vertex, with how often it is computed in a chunk at most, and the seconds of all its inference."""
    plan = planned.plan
    seconds: dict[int, float] = defaultdict(float)
    most: Counter[int] = Counter()
    of_one: dict[tuple[int, frozenset[tuple[int, int]]], float] = {}
    for chunk, counts in zip(plan.chunks, planned.computed, strict=True):
        sizes = frozenset(Counter(batch.items for batch in chunk).items())
        for vertex, times in counts.items():
            key = vertex, sizes
            if key not in of_one:
                blocks = plan.tree.blocks[vertex]
                of_one[key] = sum(
                    number * costs.infer_s(block, items) for items, number in sizes for block in blocks
                )
            seconds[vertex] += times * of_one[key]
        most |= counts
    return [entry | {"times": most[entry["vertex"]]} for entry in vertex_rows(plan, seconds)]


def _steps(plan: Plan) -> list[dict[str, Any]]:
    """The steps of the last chunk, which are those of all others and the scores."""
    last = len(plan.chunks) - 1
    found: list[dict[str, Any]] = []
    for step in plan.steps:
        if isinstance(step, Score):
            found.append({"step": "score", "vertex": step.vertex, "models": list(plan.tree.models[step.vertex])})
        elif step.chunk == last:
            found.append({"step": "infer" if isinstance(step, Infer) else "release", "vertex": step.vertex})
    return found
