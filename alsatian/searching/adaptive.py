"""Decides an adaptive schedule by prediction."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from alsatian.blocks.candidate import Candidate
from alsatian.costs.model import CostModel
from alsatian.data.dataset import Batch
from alsatian.machines.timed.prediction import predict
from alsatian.searching.schedules import Adaptive
from alsatian.searching.strategy import Strategy


def decided(
    strategy: Strategy,
    candidates: Sequence[Candidate],
    batches: tuple[list[Batch], list[Batch]],
    costs: CostModel,
    **settings: Any,
) -> tuple[Strategy, dict[str, Any]]:
    """``strategy`` with the faster schedule in place of an adaptive one, and the seconds that were predicted.

    Which models survive a round is not known before; the prediction takes an arbitrary half. ``settings`` are
    further arguments of :func:`~alsatian.machines.timed.prediction.predict`.
    """
    schedule = strategy.schedule
    assert isinstance(schedule, Adaptive)
    seconds = {}
    for choice in schedule.choices():
        tried = replace(strategy, schedule=choice)
        seconds[choice] = predict(candidates, batches, costs, strategy=tried, **settings).measurement.wall_s
    best = min(seconds, key=lambda choice: seconds[choice])
    facts = {"chosen": best.name, "predicted_s": {choice.name: wall for choice, wall in seconds.items()}}
    return replace(strategy, schedule=best), facts
