"""All rounds of a search, one after another."""

import math
from collections.abc import Collection, Sequence

import numpy as np

from alsatian.data.dataset import Batch, upto
from alsatian.machines.base import Machine
from alsatian.runtime.meter.measurement import Measurement
from alsatian.runtime.meter.meter import Meter
from alsatian.searching.checkpoint import Checkpoint, Progress, joined
from alsatian.searching.round_result import RoundResult
from alsatian.searching.rounds import RoundRunner
from alsatian.searching.schedules import Round, RoundScores
from alsatian.searching.watcher import Watcher


def run_rounds(
    runner: RoundRunner,
    batches: tuple[list[Batch], list[Batch]],
    machine: Machine,
    checkpoint: Checkpoint | None = None,
    watcher: Watcher | None = None,
) -> tuple[list[RoundResult], Measurement]:
    """All rounds, on the clock; the end of each is an event that says what it took."""
    test, train = batches
    meter, watcher = machine.meter, watcher or Watcher()
    rounds: list[RoundResult] = []
    before = checkpoint.load() if checkpoint else None
    if before is not None:
        runner.failed.update(before.failed)
        machine.restore(before.features)
        meter.event("resumed", rounds=len(before.rounds))

    def measured(measurement: Measurement) -> Measurement:
        return joined(before.measurement, measurement) if before else measurement

    meter.start()
    # Within the parts that are measured one by one nothing else counts. What lies between them is "other", however
    # long a busy machine lets it take.
    with meter.part("other"):
        with meter.part("planning"):
            pending = runner.start(train)
            machine.expect(train if runner.strategy.sees_all else ())
            upcoming: Round | None = next(pending)
        while upcoming is not None:
            done = before is not None and len(rounds) < len(before.rounds)
            if before is not None and done:
                result = before.rounds[len(rounds)]
            else:
                begin = meter.spent()
                number = len(rounds) + 1
                meter.begin_round(number)
                watcher.round_begins(number, upcoming.models, upcoming.train_items)
                result = runner.run(number, upcoming.models, test, upto(train, upcoming.train_items))
                _note(meter, *begin, len(upcoming.models), result.train_items)
                meter.begin_round(None)
            rounds.append(result)
            # A schedule ranks failed models last; if it keeps some, the next round leaves them out.
            scores = RoundScores({model: result.scores.get(model, -math.inf) for model in upcoming.models})
            scores.outcomes = {model: np.asarray(outcomes) for model, outcomes in result.outcomes.items()}
            try:
                upcoming = pending.send(scores)
            except StopIteration:
                upcoming = None
            if upcoming is not None and runner.failed.keys() >= set(upcoming.models):
                upcoming = None  # there is nothing left to decide
            watcher.round_ends(len(rounds), result, upcoming.models if upcoming else ())
            machine.keep_only(runner.layers.candidates(upcoming.models if upcoming else ()))
            if checkpoint and not done:
                found = Progress(rounds, runner.failed, machine.held(), measured(meter.so_far()))
                checkpoint.save(found)
    return rounds, measured(meter.so_far())


def _note(meter: Meter, begin_s: float, before_s: dict[str, float], models: int, train_items: int) -> None:
    """An event that says what the round took that began at ``begin_s``, with so much of each part before."""
    end_s, parts_s = meter.spent()
    took = {part: seconds - before_s[part] for part, seconds in parts_s.items()}
    meter.event("round", models=models, train_items=train_items, wall_s=end_s - begin_s, parts_s=took)


def ranked_models(ids: Sequence[str], rounds: Sequence[RoundResult], failed: Collection[str]) -> tuple[str, ...]:
    """Models by the last round they were in, then by their score in it, then as given; failed ones last."""
    last = {model: (i, result.scores[model]) for i, result in enumerate(rounds) for model in result.scores}
    never = (-1, 0.0)  # a schedule may leave a model out altogether

    def key(model: str) -> tuple[bool, float, float]:
        reached, score = last.get(model, never)
        return model in failed, -reached, -score

    return tuple(sorted(ids, key=key))
