"""One round of a search: plan, execute, and go on without a bad model or with less memory."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from alsatian.blocks.candidate import Candidate
from alsatian.data.dataset import Batch
from alsatian.errors import (
    BadModelError,
    BudgetError,
    ConfigError,
    OutOfMemoryError,
    StrategyError,
    nearest,
    told,
)
from alsatian.machines.base import Machine
from alsatian.planning.audit import faults
from alsatian.planning.limits import Limits
from alsatian.planning.plan import Plan, Release
from alsatian.records.ranking import BEST
from alsatian.runtime.layers import WHOLE, Layers
from alsatian.runtime.scorer import Scored
from alsatian.searching.contract import plan_of, rounds_of
from alsatian.searching.round_result import RoundResult
from alsatian.searching.schedules import Rounds
from alsatian.searching.strategy import Strategy
from alsatian.searching.watcher import Watcher
from alsatian.tree import TaskTree

ON_BAD_MODEL = ("raise", "exclude")
# Larger trees are not kept beside a search.
MOST_DESCRIBED = 2000


def check_on_bad_model(choice: str) -> None:
    """Refuse a ``choice`` that says nothing about bad models.

    Raises:
        ConfigError: names the valid ones.
    """
    if choice not in ON_BAD_MODEL:
        raise ConfigError(f"on_bad_model={choice}: {nearest(str(choice), ON_BAD_MODEL)}")


@dataclass(eq=False)
class RoundRunner:
    """Scores models on batches. What goes wrong is handled the same way for every strategy.

    Attributes:
        failed: excluded models with the reason.
        layers: which candidates are layers of which model; rounds are about models.
        watcher: is told how many steps there are, if there is one.
        limits: what plans have to keep to; smaller after the memory was full.
        first_plan: the first of the plans that were made, None before that and if its tree is very large.
        first_seconds: measured inference time of each of its vertices; None if that is not known.
    """

    candidates: Sequence[Candidate]
    strategy: Strategy
    machine: Machine
    limits: Limits
    on_bad_model: str
    watcher: Watcher | None = None
    layers: Layers = WHOLE
    failed: dict[str, str] = field(default_factory=dict, init=False)
    first_plan: Plan | None = field(default=None, init=False)
    first_seconds: dict[int, float] | None = field(default=None, init=False)
    _planned: bool = field(default=False, init=False)
    _gave_up: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        check_on_bad_model(self.on_bad_model)
        self._tree = self._branches = TaskTree()
        self._meter = self.machine.meter

    def start(self, train: Sequence[Batch]) -> Rounds:
        """Build the task tree of all candidates and begin the schedule over the training batches ``train``.

        Raises:
            StrategyError: with the first round, or a later one; see :func:`~alsatian.searching.contract.rounds_of`.
        """
        self._tree = TaskTree.of(self.candidates, self.strategy.shares)
        self._branches = self._tree.compress()
        return rounds_of(self.strategy, self.models, train)

    @property
    def models(self) -> list[str]:
        """Ids of all models."""
        return self.layers.models([candidate.id for candidate in self.candidates])

    def run(self, number: int, models: Sequence[str], test: Sequence[Batch], train: Sequence[Batch]) -> RoundResult:
        """Extract what features ``models`` lack for the batches, and score them: round ``number``, from 1.

        Raises:
            StrategyError: the strategy gives no plan, one that cannot be carried out, or again and again one that
                leaves models without score.
            BadModelError or its cause: a model cannot be used, and such models are not to be excluded; or none
                is left.
            OutOfMemoryError: not even one batch fits the memory; names the batch size that would.
        """
        if not self.strategy.computes:
            known = self.strategy.known_scores(self.candidates)
            return RoundResult(0, {m: known[self.layers.candidates([m])[-1]] for m in models}, {}, 0)
        scored: dict[str, Scored] = {}
        failed_before = set(self.failed)
        chunks = self.score(number, self.layers.candidates(models), test, train, scored)
        decides = {m: self.layers.best(m, scored) for m in models if m not in self.failed}
        return RoundResult.of(
            sum(batch.items for batch in train),
            {model: scored[self.layers.candidates([model])[number - 1]] for model, number in decides.items()},
            chunks,
            {m: self.failed[m] for m in models if m in self.failed and m not in failed_before},
            decides if self.layers.choice == BEST else None,
        )

    def score(
        self,
        number: int,
        candidates: Sequence[str],
        test: Sequence[Batch],
        train: Sequence[Batch],
        scored: dict[str, Scored],
    ) -> int:
        """As :meth:`run`: enter what ``candidates`` are scored, but for those of models that fail. Returns into how
        many chunks the budgets divided the new data."""
        chunks = 0
        before: Mapping[tuple[Batch, ...], list[str]] | None = None
        while pending := [
            candidate
            for candidate in candidates
            if candidate not in scored and self.layers.model_of(candidate) not in self.failed
        ]:
            full: int | None = None  # batches of the largest chunk when the memory was full; 0 while scoring
            with self._meter.part("planning"):
                lacking = self._by_missing(pending, (*test, *train))
                if lacking == before:
                    raise StrategyError(
                        f"strategy={self.strategy.name}: the plan of round {number} makes no progress; models "
                        f"without score: {', '.join(pending)}"
                    )
                plans = [self._plan(group, missing) for missing, group in lacking.items()]
            if not self._planned:
                self._planned = True
                self.first_plan = plans[0] if len(plans[0].tree) <= MOST_DESCRIBED else None
            if self.watcher is not None:
                steps = sum(not isinstance(step, Release) for plan in plans for step in plan.steps)
                self.watcher.planned(steps, scored)
            try:
                for plan, (missing, group) in zip(plans, lacking.items(), strict=True):
                    if plan.note:
                        self._meter.event(
                            "plan", models=len(self.layers.models(plan.tree.all_models())), note=plan.note
                        )
                    chunks = max(chunks, len(plan.chunks))
                    with self._blaming(number, plan, group, missing):
                        self.machine.execute(plan, test, train, scored)
                    if plan is self.first_plan:
                        self.first_seconds = self._meter.take_vertices() or None
            except BadModelError as error:
                self._exclude(error)
            except OutOfMemoryError:
                full = max(len(chunk) for plan in plans for chunk in (*plan.chunks, ()))
            before = lacking if full is None else None  # with more room the same plan may do
            if full is not None:  # outside of the handler, whose traceback keeps tensors alive
                self._make_room(full)
        return chunks

    def _plan(self, models: Sequence[str], batches: Sequence[Batch]) -> Plan:
        """The plan of ``models`` on the tree of just these models.

        Compressing it joins two intermediates that lay on both sides of a branch that is gone, and both are
        held at once. A small one between them lets the first go earlier: keeping the branches of all models
        never needs more cache than the first round did.
        """
        try:
            return plan_of(self.strategy, self._tree.prune(models).compress(), models, batches, self.limits)
        except BudgetError:
            return plan_of(self.strategy, self._branches.prune(models), models, batches, self.limits)

    @contextlib.contextmanager
    def _blaming(self, number: int, plan: Plan, models: Sequence[str], batches: Sequence[Batch]) -> Iterator[None]:
        """What goes wrong while ``plan`` is carried out, and is its fault, names the strategy."""
        try:
            yield
        except (BadModelError, OutOfMemoryError):
            raise
        except SystemExit as error:  # of a policy or a proxy
            raise StrategyError(f"round {number} of strategy={self.strategy.name} fails: {told(error)}") from error
        except Exception as error:
            who = f"strategy={self.strategy.name}: the plan of round {number}"
            if fault := next(faults(plan, models, batches, self.strategy.cache.planned), None):
                raise StrategyError(f"{who} {fault}") from error
            if isinstance(error, BudgetError):
                raise BudgetError(f"{who} does not keep to the budgets: {error}") from error
            raise

    def _by_missing(self, models: Sequence[str], batches: Sequence[Batch]) -> Mapping[tuple[Batch, ...], list[str]]:
        """``models`` by the batches of which they lack features. With halving all lack the same."""
        groups: dict[tuple[Batch, ...], list[str]] = {}
        for model in models:
            groups.setdefault(self.machine.missing(model, batches), []).append(model)
        return groups

    def _exclude(self, error: BadModelError) -> None:
        if self.on_bad_model != "exclude":
            raise error.__cause__ or error
        for model in self.layers.models(error.models):
            self.failed[model] = str(error)
            self._meter.event("bad_model", model=model, reason=str(error))
        if len(self.failed) == len(self.models):
            raise BadModelError(f"no candidate model can be used; the last one: {error}", error.models)

    def _make_room(self, chunk: int) -> None:
        """Give up resident blocks and intermediates, then shrink the chunk of ``chunk`` batches, then keep none."""
        self.machine.give_up()
        if self.limits.blocks:
            self.limits = replace(self.limits, blocks=max(1, self.limits.blocks // 2))
        facts: dict[str, Any] = {"action": "gave up resident blocks and intermediates"}
        if not self._gave_up:
            self._gave_up = True
        elif chunk > 1:
            self.limits = replace(self.limits, chunk_batches=chunk // 2)
            facts = {"action": "smaller chunks", "chunk_batches": chunk // 2}
        elif self.machine.keeps:
            self.machine.keeps = False
            facts = {"action": "keeps no intermediates"}
        else:
            fitting = self.machine.fitting_batch()
            raise OutOfMemoryError(
                f"the memory does not hold one batch; batch_size={fitting} fits"
                if fitting
                else "the memory does not hold a single item and its model, or the features of all items"
            )
        self._meter.event("out_of_memory", **facts)
