"""Cuts the work of a round into portions and packs them onto workers."""

from collections.abc import Mapping, Sequence

from alsatian.data.dataset import Batch
from alsatian.planning.distribution.costs import Costs
from alsatian.planning.distribution.distribution import Distribution, Portion, Worker
from alsatian.tree import TaskTree

WAYS = ("subtrees", "blocks", "data")


def distribute(
    tree: TaskTree,
    models: Sequence[str],
    batches: Sequence[Batch],
    workers: Sequence[Worker],
    costs: Costs,
    homes: Mapping[str, str] | None = None,
    held_items: int = 0,
    way: str | None = None,
) -> Distribution:
    """Who of ``workers`` does what of ``models`` on ``batches``.

    Args:
        tree: the compressed task tree of these models.
        models: all models of ``tree``.
        batches: those that the models lack.
        workers: at least one.
        costs: of a worker of speed 1.
        homes: the worker that holds a model's features so far, by model; moving them costs their bytes.
        held_items: items of these features.
        way: ``"subtrees"``, ``"blocks"`` or ``"data"``; by default what is predicted to be done first.
    """
    share = -(-len(models) // len(workers))
    portions = {
        worker.name: (Portion(tuple(part), tuple(batches), 0.0, "as many models as the others"),) if part else ()
        for i, worker in enumerate(workers)
        for part in [models[i * share : (i + 1) * share]]
    }
    return Distribution("subtrees", portions, dict.fromkeys(portions, 0.0))
