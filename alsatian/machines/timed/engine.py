"""The engine of a search, with data and scores that take time and are made up."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from alsatian.blocks.segment import State
from alsatian.costs.model import CostModel
from alsatian.data.dataset import Batch
from alsatian.machines.timed.clock import VirtualClock
from alsatian.machines.timed.segments import state_of
from alsatian.planning.plan import Plan
from alsatian.runtime.engine import Engine
from alsatian.runtime.meter.measurement import Measurement
from alsatian.runtime.stages import Stage
from alsatian.tree import TaskTree

VALUE_BYTES = 4
"""Of a feature (float32)."""
Scores = Callable[[str, int], float]
"""The score of a model on so many training items."""


@dataclass(frozen=True)
class PlannedRound:
    """A plan with what carrying it out was predicted to take.

    Attributes:
        plan: of one round.
        train_items: training items that its scores are based on.
        before, after: the measurement up to its start and up to its end.
        computed: how often each vertex was computed, by chunk.
    """

    plan: Plan
    train_items: int
    before: Measurement
    after: Measurement
    computed: Sequence[Counter[int]]


@dataclass
class Costed:
    """What the stand-ins of an engine share.

    Attributes:
        costs: seconds of everything.
        clock: moved by them.
        scores: of models.
        item_bytes: raw bytes of an item of the data.
        rounds: plans that were carried out.
    """

    costs: CostModel
    clock: VirtualClock
    scores: Scores
    item_bytes: float
    rounds: list[PlannedRound] = field(default_factory=list)


class TimedEngine(Engine):
    """Runs plans as :class:`Engine` does; ``costed`` has to be set before."""

    costed: Costed
    _chunk: Sequence[Batch] = ()
    _computed: list[Counter[int]]

    def execute(self, plan: Plan, test: Sequence[Batch], train: Sequence[Batch], scores: dict[str, float]) -> None:
        before = self._meter.so_far()
        self._computed, self._chunk = [], ()
        super().execute(plan, test, train, scores)
        items = sum(batch.items for batch in train)
        self.costed.rounds.append(PlannedRound(plan, items, before, self._meter.so_far(), self._computed))

    def _infer(self, plan: Plan, target: int, chunk: Sequence[Batch], emitted: set[int]) -> None:
        with self._meter.part("other"):
            self.costed.clock.advance(self.costed.costs.hardware.step_s)
        if chunk is not self._chunk:
            self._chunk = chunk
            self._computed.append(Counter())
        super()._infer(plan, target, chunk, emitted)

    def _stages(self, tree: TaskTree, path: Sequence[int]) -> list[Stage]:
        self._computed[-1].update(path)
        return super()._stages(tree, path)

    def _prepare(self, tree: TaskTree, target: int, batch: Batch) -> State:
        preprocessing = tree.preprocessing[target]
        with self._meter.part("prepare_data"):
            self._meter.count("data_bytes", round(batch.items * self.costed.item_bytes))
            kind = [other for other in self._chunk if other.test == batch.test]
            if kind[0] == batch:  # test and training items are read apart
                start_s = self.costed.costs.start_s(sum(other.items for other in kind))
                self.costed.clock.advance(start_s)
            self.costed.clock.advance(self.costed.costs.prepare_s(preprocessing, batch.items))
        return state_of(batch.items, preprocessing.output_bytes)

    def _score(self, models: Sequence[str], test: Sequence[Batch], train: Sequence[Batch]) -> dict[str, float]:
        train_items, test_items = (sum(batch.items for batch in part) for part in (train, test))
        with self._meter.part("proxy_scoring"):
            dimension = self.features.get(models[0], test[:1]).shape[1] // VALUE_BYTES
            self.costed.clock.advance(self.costed.costs.score_s(train_items, test_items, dimension))
        score = self.costed.scores(models[0], train_items)
        return dict.fromkeys(models, score)
