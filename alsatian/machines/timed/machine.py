"""A machine on a virtual clock: the engine of a search, whose work takes the time that a cost model says."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from alsatian.blocks.candidate import Candidate
from alsatian.blocks.segment import State
from alsatian.budgets import Resolved
from alsatian.costs.model import CostModel
from alsatian.data.dataset import Batch
from alsatian.data.preprocessing import Preprocessing
from alsatian.machines.timed.clock import VirtualClock
from alsatian.machines.timed.loader import TimedLoader
from alsatian.machines.timed.segments import TimedTier, state_of, timed_segments
from alsatian.planning.distribution.distribution import Distribution
from alsatian.planning.plan import Plan
from alsatian.proxies.base import Evaluation
from alsatian.runtime.cache.cache import Cache
from alsatian.runtime.cache.policies.base import CachePolicy
from alsatian.runtime.engine import Engine
from alsatian.runtime.features import Features, FeatureStore
from alsatian.runtime.layers import WHOLE, Layers, scoring
from alsatian.runtime.loading.settings import LoaderSettings
from alsatian.runtime.meter.measurement import Measurement
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.observer import Observer
from alsatian.runtime.scorer import TOGETHER_BYTES, Scored

VALUE_BYTES = 4
"""Of a feature (float32)."""
Scores = Callable[[str, int], float]
"""The score of a model on so many training items."""
PREDICTED = "predicted"
"""What stands for a proxy."""


def stand_ins(features: Features) -> Features:
    """Features on a virtual clock, for those that are known before: of the right size, without content."""
    return {
        model: {index: state_of(len(x), x.shape[1] * VALUE_BYTES)[0] for index, x in batches.items()}
        for model, batches in features.items()
    }


@dataclass(frozen=True)
class PlannedRound:
    """A plan with what carrying it out was predicted to take.

    Attributes:
        plan: of one round.
        train_items: training items that its scores are based on.
        before, after: the measurement up to its start and up to its end.
        computed: how often each vertex was computed, by chunk.
        distribution: who of several workers did what.
    """

    plan: Plan
    train_items: int
    before: Measurement
    after: Measurement
    computed: Sequence[Counter[int]]
    distribution: Distribution | None = None


@dataclass(frozen=True)
class _TimedData:
    """Items that take time to prepare, and hold nothing."""

    costs: CostModel
    clock: VirtualClock
    meter: Meter

    def prepare(self, preprocessing: Preprocessing, batch: Batch, chunk: Sequence[Batch]) -> State:
        with self.meter.part("prepare_data"):
            self.meter.count("data_bytes", round(batch.items * self.costs.item_bytes))
            self.meter.count("prepared_items", batch.items)
            kind = [other for other in chunk if other.test == batch.test]
            if kind[0] == batch:  # test and training items are read apart
                self.clock.advance(self.costs.start_s(sum(other.items for other in kind)))
            self.clock.advance(self.costs.prepare_s(preprocessing, batch.items))
        return state_of(batch.items, preprocessing.output_bytes)


@dataclass(frozen=True)
class _TimedScorer:
    """Scores that are known before, and take time."""

    costs: CostModel
    clock: VirtualClock
    meter: Meter
    scores: Scores

    @property
    def together(self) -> int:
        return TOGETHER_BYTES if self.costs.hardware.score.together else 0

    def score(
        self,
        features: FeatureStore,
        groups: Sequence[Sequence[str]],
        test: Sequence[Batch],
        train: Sequence[Batch],
    ) -> Mapping[str, Scored]:
        train_items, test_items = (sum(batch.items for batch in part) for part in (train, test))
        scored: dict[str, Scored] = {}
        for models in groups:
            with self.meter.part("proxy_scoring"):
                dimension = features.held[models[0]][test[0].index].shape[1] // VALUE_BYTES
                self.clock.advance(self.costs.score_s(train_items, test_items, dimension))
            evaluation = Evaluation(self.scores(models[0], train_items))
            scored |= dict.fromkeys(models, Scored({PREDICTED: evaluation}))
        return scored


class PlanLog(Observer):
    """Keeps what an engine was predicted to do; every inference takes a step's time.

    Attributes:
        rounds: the plans that were carried out.
    """

    def __init__(self, costs: CostModel, clock: VirtualClock, meter: Meter) -> None:
        self.rounds: list[PlannedRound] = []
        self._step_s = costs.hardware.step_s
        self._clock = clock
        self._meter = meter
        self._computed: list[Counter[int]] = []

    @contextlib.contextmanager
    def plan(self, plan: Plan, train: Sequence[Batch]) -> Iterator[None]:
        before = self._meter.so_far()
        self._computed = [Counter() for _ in plan.chunks]
        yield
        items = sum(batch.items for batch in train)
        self.rounds.append(PlannedRound(plan, items, before, self._meter.so_far(), self._computed))

    def inference_begins(self) -> None:
        with self._meter.part("other"):
            self._clock.advance(self._step_s)

    def computes(self, chunk: int, path: Sequence[int]) -> None:
        self._computed[chunk].update(path)


@contextlib.contextmanager
def timed_machine(
    candidates: Sequence[Candidate],
    costs: CostModel,
    scores: Scores,
    *,
    policy: CachePolicy,
    shares: bool,
    budgets: Resolved,
    loader: LoaderSettings,
    file_bytes: Mapping[str, int] | None = None,
    layers: Layers = WHOLE,
) -> Iterator[tuple[Engine, PlanLog]]:
    """The machine of one search of ``candidates`` that is predicted, and the log of its plans.

    Args:
        candidates: chains of blocks; neither parameters nor code are needed.
        costs: what everything takes.
        scores: of the models.
        policy, shares, budgets, loader, layers: as for :func:`~alsatian.machines.real.real_machine`.
        file_bytes: sizes of block files by identity, where they differ from those of the parameters.
    """
    clock = VirtualClock()
    meter = Meter(torch.device("cpu"), clock=clock)
    blocks = TimedLoader(
        costs,
        clock,
        meter,
        budgets.for_blocks(shares, loader.keep),
        ahead=loader.read_ahead,
        # As published: who does not share has a file for every model.
        model_files=not shares,
        file_bytes=file_bytes,
    )
    lower = [TimedTier(name, size, costs, clock) for name, size in budgets.lower_tiers.items()]
    log = PlanLog(costs, clock, meter)
    with contextlib.closing(blocks):
        engine = Engine(
            timed_segments(candidates, costs, clock),
            _TimedData(costs, clock, meter),
            scoring(layers, lambda _: _TimedScorer(costs, clock, meter, scores)),
            blocks,
            Cache(policy.fresh(), budgets.budget, meter, lower),
            meter,
            log,
            shares and loader.compute_ahead,
        )
        yield engine, log
