"""The head of a search on many workers: it cuts rounds into portions and knows where features are."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from alsatian.blocks.segment import Segment
from alsatian.data.dataset import Batch
from alsatian.errors import BadModelError, OutOfMemoryError
from alsatian.machines.cluster.messages import Report, Task
from alsatian.machines.cluster.pool import Handle, Pool
from alsatian.machines.cluster.queues import Run, queues_of
from alsatian.planning.distribution.distribution import Distribution
from alsatian.planning.plan import Plan
from alsatian.progress import Tick, unheard
from alsatian.runtime.features import Features, Keep, unkept
from alsatian.runtime.layers import WHOLE, Layers
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.scorer import Scored

Cut = Callable[[Plan, Sequence[Batch], tuple[int, int], Mapping[str, str]], Distribution]
"""Who does what of a plan on these batches, before scores on so many training and test items, where features of
models are with these workers so far."""


@dataclass
class _Held:
    """Features of one model on some batches, by their indices, and whether later searches have them."""

    handle: Handle
    batches: frozenset[int]
    kept: bool = False


@dataclass(eq=False)
class ClusterMachine:
    """Carries out the plans of one search on the workers of ``pool``: a :class:`~alsatian.machines.base.Machine`.

    Scores come back, features stay: a handle stands for them here, and whoever needs them next takes them from
    where they are. What goes wrong with memory and models is the workers' to deal with, as if each searched alone.

    Attributes:
        segments: the code of every block, by identity.
        cut: who does what.
        step_ended: is called for every step of the plan that workers are predicted to have done.
        keep: is told of a model's features when it is scored.
    """

    pool: Pool
    meter: Meter
    cut: Cut
    segments: Mapping[str, Segment] = field(default_factory=dict)
    layers: Layers = WHOLE
    step_ended: Tick = unheard
    keep: Keep = unkept
    keeps: bool = field(default=True, init=False)
    _held: dict[str, list[_Held]] = field(default_factory=dict, init=False)
    # By worker and model the batches whose features it has at hand.
    _at_hand: dict[str, dict[str, frozenset[int]]] = field(default_factory=dict, init=False)
    _failed: dict[str, str] = field(default_factory=dict, init=False)
    _full: OutOfMemoryError | None = field(default=None, init=False)

    def expect(self, train: Sequence[Batch]) -> None:
        """Which models a worker will have in later rounds is not known: nothing is computed ahead."""

    def execute(self, plan: Plan, test: Sequence[Batch], train: Sequence[Batch], scored: dict[str, Scored]) -> None:
        self._raise_failed(plan.tree.all_models())
        with self.meter.part("planning"):
            batches = sorted((b for chunk in plan.chunks for b in chunk), key=lambda batch: batch.index)
            items = sum(batch.items for batch in train), sum(batch.items for batch in test)
            distribution = self.cut(plan, batches, items, self._homes(plan.tree.all_models()))
            queues = queues_of(distribution, len(batches), self.meter.round or 0, tuple(test), tuple(train))
            self.meter.event("distribution", **distribution.facts())
        run = Run(self, queues, scored, len(plan.steps))
        run.finish()
        self._raise_failed(plan.tree.all_models())
        if run.fault is not None:
            if isinstance(run.fault, OutOfMemoryError):
                self._full = run.fault
            raise run.fault

    def missing(self, model: str, batches: Sequence[Batch]) -> tuple[Batch, ...]:
        known = {index for held in self._held.get(model, ()) for index in held.batches}
        return tuple(batch for batch in batches if batch.index not in known)

    def keep_only(self, models: Iterable[str]) -> None:
        kept = set(models)
        self._held = {model: held for model, held in self._held.items() if model in kept}
        self._at_hand = {
            worker: {model: has for model, has in of.items() if model in kept}
            for worker, of in self._at_hand.items()
        }
        self.pool.keep_only(kept)

    def held(self) -> Features:
        handles = {id(h.handle): h.handle for held in self._held.values() for h in held}
        fetched = dict(zip(handles, self.pool.fetch(list(handles.values())), strict=True))
        return {
            model: {b: x for h in held for b, x in fetched[id(h.handle)].items()}
            for model, held in self._held.items()
        }

    def restore(self, features: Features) -> None:
        handles: dict[tuple[int, ...], Handle] = {}
        for model, batches in features.items():
            key = tuple(map(id, batches.values()))
            if key not in handles:
                handles[key] = self.pool.hold(batches)
            self._held.setdefault(model, []).append(_Held(handles[key], frozenset(batches), kept=True))

    def give_up(self) -> None:
        """A worker whose memory is full has given up all that it can.

        Raises:
            OutOfMemoryError: what it says.
        """
        if self._full is not None:
            raise self._full

    def fitting_batch(self) -> int:
        """Workers look for it themselves."""
        return 0

    def known_to(self, worker: str, task: Task) -> dict[str, list[Handle]]:
        """Features that scores of ``task`` need and ``worker`` has not at hand."""
        has = self._at_hand.setdefault(worker, {})
        lacking = {
            model: [h.handle for h in self._held.get(model, ()) if not h.batches <= has.get(model, frozenset())]
            for model in (task.models if task.extracted is None else ())
        }
        return {model: handles for model, handles in lacking.items() if handles}

    def takes(self, worker: str, report: Report, models: Sequence[str], features: Sequence[Handle | None]) -> None:
        """Remember where features are, and enter what ``worker`` measured."""
        handles = dict(zip(models, features, strict=True))
        at_hand = self._at_hand.setdefault(worker, {})
        for model in models:
            new = report.has[model].difference(*(h.batches for h in self._held.get(model, ())))
            if new:
                self._held.setdefault(model, []).append(_Held(handles[report.same.get(model, model)], new))
            at_hand[model] = report.has[model]
        self._failed |= report.failed
        if self.keep is not unkept:
            self._keep_features(report.scored)
        self.meter.workers.hear(worker, report.measurement, report.began)
        for run, seconds in report.best_s.items():
            self.meter.best_s[run] = min(seconds, self.meter.best_s.get(run, seconds))
        self.meter.best_read = max(self.meter.best_read, report.best_read)

    def _keep_features(self, models: Iterable[str]) -> None:
        """Fetch those of ``models`` that nobody has kept."""
        new: dict[int, tuple[Handle, list[str]]] = {}
        for model in models:
            for held in self._held.get(model, ()):
                if not held.kept:
                    held.kept = True
                    new.setdefault(id(held.handle), (held.handle, []))[1].append(model)
        fetched = self.pool.fetch([handle for handle, _ in new.values()])
        for (_, sharing), features in zip(new.values(), fetched, strict=True):
            self.keep(sharing, features)

    def forget(self, models: Iterable[str]) -> None:
        """The features of ``models`` are gone; whoever needs them computes them again."""
        for model in models:
            self._held.pop(model, None)
            for at_hand in self._at_hand.values():
                at_hand.pop(model, None)

    def replaced(self, worker: str) -> None:
        """Another process has taken the place of ``worker``, with nothing at hand."""
        self._at_hand[worker] = {}

    def _homes(self, models: Iterable[str]) -> dict[str, str]:
        """The worker that has most of a model's features at hand, by model."""
        homes: dict[str, str] = {}
        for model in models:
            sizes = {worker: len(has[model]) for worker, has in self._at_hand.items() if has.get(model)}
            if sizes:
                homes[model] = max(sizes, key=lambda worker: sizes[worker])
        return homes

    def _raise_failed(self, candidates: Iterable[str]) -> None:
        """One reason at a time, as they come where one machine searches."""
        for model in self.layers.models(list(candidates)):
            if model in self._failed:
                raise BadModelError(self._failed[model], [model])
