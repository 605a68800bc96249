"""Checks of a strategy by searches, beside those of ``base`` over the same models and data."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import alsatian
from alsatian.api import SearchResult, cost_model, predict
from alsatian.budgets import Budgets
from alsatian.costs.hardware import Hardware, ScoreCost, SegmentCost
from alsatian.costs.profiling.profile import segment_keys
from alsatian.data.dataset import Dataset
from alsatian.errors import FOREIGN, BudgetError
from alsatian.models.model_set import ModelSet
from alsatian.planning.audit import faults
from alsatian.planning.orders.given import Given
from alsatian.proxies.linear import Linear
from alsatian.records.budgets import exceeded
from alsatian.runtime.cache.policies.none import NoCache
from alsatian.runtime.loading.settings import LoaderSettings
from alsatian.runtime.meter.measurement import NOT_PREDICTED
from alsatian.runtime.storage.regime import Storage
from alsatian.searching.schedules import Round, Rounds
from alsatian.searching.scores import recorded_scores
from alsatian.searching.strategy import Strategy
from experiments.checking.cases import BATCH, CASES, Case, smaller
from experiments.checking.log import Log, watched, with_rounds
from experiments.checking.models import Family
from experiments.checking.suite import SAME, Verdicts, reason_of

RUNS = "runs to its end"
SCORED = "every model of a round is scored"
PLANS = "plans are complete and release once"
SCORES = "scores are base's"
FEATURES = "features are base's, bit for bit"
BUDGETS = "budgets are kept"
PREDICTED = "predictions equal the run"
PROPERTIES = (RUNS, SCORED, PLANS, SCORES, FEATURES, BUDGETS, SAME, PREDICTED)

_PROXY, _STORAGE = Linear(epochs=1), Storage()


@dataclass(frozen=True)
class _Amounts:
    """Scores all models on every amount of data."""

    name: ClassVar[str] = "amounts"

    def rounds(self, models: Sequence[str], train_items: int) -> Rounds:
        for amount in range(1, train_items + 1):
            yield Round(tuple(models), amount)


_BASE = Strategy(name="base", schedule=_Amounts(), sharing="none", order=Given(), cache=NoCache())


@dataclass(eq=False)
class SearchSuite:
    """Judges ``strategy`` by ``chosen`` cases; ``families`` makes models of images, or of texts if that is true."""

    subject: str
    strategy: Strategy
    families: Callable[[bool], Family]
    chosen: Sequence[Case] = CASES
    properties: Sequence[str] = PROPERTIES
    _known: dict[Case, dict[tuple[str, int], tuple[float, str]]] = field(default_factory=dict)

    def cases(self) -> Sequence[Case]:
        for text in {case.text for case in self.chosen}:
            self.families(text)  # made now, so that no case takes the longer for it
        return self.chosen

    def smaller(self, case: Case) -> Iterator[Case]:
        return smaller(case)

    def examine(self, case: Case) -> Verdicts:
        family = self.families(case.text)
        models, data = family.models(case.models), family.data(case.train, case.test)
        log = Log()
        found: dict[str, str | None] = {}
        result = None
        try:
            result = self._search(models, data, case, log)
        except BudgetError as error:
            if not log.refused:
                found[BUDGETS] = reason_of(error)
            elif case.budget in (None, "100%"):
                found[BUDGETS] = f"refuses a budget that would do: {error}"
        except FOREIGN as error:
            found[RUNS] = reason_of(error)
        wrong = (
            f"round {number}: the plan {fault}"
            for number, plan, asked, batches in log.plans
            for fault in faults(plan, asked, batches, self.strategy.cache.planned)
        )
        if log.plans:
            found[PLANS] = next(wrong, None)
        if result is None:
            return found
        if found.get(PLANS) is None and self.strategy.cache.planned and log.plans:
            found[PLANS] = _misjudged(log, result)
        return {**found, RUNS: None, **self._of_result(case, models, data, result, log)}

    def _of_result(
        self, case: Case, models: ModelSet, data: Dataset, result: SearchResult, log: Log
    ) -> dict[str, str | None]:
        again = sum(len(asked) for number, _, asked, _ in log.plans)
        needed = sum(len(finished.scores) for finished in result.rounds)
        short = f"models had to be planned for again, since they were left without score: {again - needed}"
        over = exceeded(result.resolved, result.measurement.peaks)
        return {
            **(self._compared(case, models, data, result) if self.strategy.computes else {}),
            SCORED: short if again > needed else None,
            BUDGETS: over[0] if over else None,
            SAME: self._again(models, data, case, result, log),
            PREDICTED: self._predicted(models, data, case, result),
        }

    def _compared(self, case: Case, models: ModelSet, data: Dataset, result: SearchResult) -> dict[str, str | None]:
        """What differs from base."""
        truth = self._truth(case, models, data)
        scores, features = None, None
        for number, finished in enumerate(result.rounds, start=1):
            for model, score in finished.scores.items():
                right, digest = truth[model, finished.train_items]
                where = f"round {number}: model '{model}' on {finished.train_items} items"
                if score != right:
                    scores = scores or f"{where} has the score {score!r} where base has {right!r}"
                if finished.fingerprints[model] != digest:
                    features = features or f"{where} has other features than with base"
        return {SCORES: scores, FEATURES: features}

    def _truth(self, case: Case, models: ModelSet, data: Dataset) -> dict[tuple[str, int], tuple[float, str]]:
        """Score and digest of features with ``base``, by model and training items."""
        key = replace(case, budget=None)
        if key not in self._known:
            rounds = alsatian.search(
                models, data, strategy=_BASE, proxies=_PROXY, batch_size=BATCH, verify=True
            ).rounds
            self._known[key] = {
                (model, one.train_items): (score, one.fingerprints[model])
                for one in rounds
                for model, score in one.scores.items()
            }
        return self._known[key]

    def _again(self, models: ModelSet, data: Dataset, case: Case, result: SearchResult, log: Log) -> str | None:
        """How a second search differs from the first."""
        second = Log()
        try:
            other = self._search(models, data, case, second)
        except FOREIGN as error:
            return f"a second search fails: {reason_of(error)}"
        for number, (a, b) in enumerate(zip(result.rounds, other.rounds, strict=False), start=1):
            if a != b:
                return f"round {number} of a second search has other models, data, chunks or scores"
        for number, (one, two) in enumerate(zip(log.facts(), second.facts(), strict=False), start=1):
            if one != two:
                return f"round {one[0]} of a second search has another plan (plan {number})"
        if len(result.rounds) != len(other.rounds) or len(log.plans) != len(second.plans):
            return f"a second search has {len(other.rounds)} rounds where the first has {len(result.rounds)}"
        return None

    def _predicted(self, models: ModelSet, data: Dataset, case: Case, result: SearchResult) -> str | None:
        """How a prediction of the search differs from it."""
        hardware = _hardware(models)
        costs = cost_model(hardware, models.candidates, data, _STORAGE, models.segments, parts=models.parts)
        # A prediction knows scores, but not the outcomes that a schedule may look at.
        rounds = [Round(tuple(one.scores), one.train_items) for one in result.rounds]
        store = models.store
        sizes = {b.identity: store.bytes_to_read(b.identity) for c in models.candidates for b in c.blocks}
        try:
            found = predict(
                models,
                data.batches(BATCH, len(models.candidates)),
                costs,
                strategy=with_rounds(self.strategy, rounds),
                budget=_budgets(case),
                loader=_LOADER,
                scores=recorded_scores(result.rounds),
                file_bytes=sizes,
            )
        except FOREIGN as error:
            return f"the prediction fails: {reason_of(error)}"
        for what in ("counters", "peaks"):
            said, was = getattr(found.measurement, what), getattr(result.measurement, what)
            for name in sorted(said.keys() | was.keys()):
                if name not in NOT_PREDICTED and said.get(name, 0) != was.get(name, 0):
                    return f"{name} is {was.get(name, 0)} where {said.get(name, 0)} is predicted"
        return None

    def _search(self, models: ModelSet, data: Dataset, case: Case, log: Log) -> SearchResult:
        return alsatian.search(
            models,
            data,
            strategy=watched(self.strategy, log),
            proxies=_PROXY,
            batch_size=BATCH,
            budget=_budgets(case),
            loader=_LOADER,
            storage=_STORAGE,
            hardware=_hardware(models),
            verify=True,
            progress=log,
        )


# What is read ahead, and when, is a matter of time, which is not predicted to the bit.
_LOADER = LoaderSettings(read_ahead=False)


def _budgets(case: Case) -> Budgets:
    return Budgets(budget=case.budget, block_budget=None if case.budget is None else "50%")


def _hardware(models: ModelSet) -> Hardware:
    """A made-up machine, so that strategies that ask for times plan alike wherever they are checked."""
    keys = sorted(set(segment_keys(models).values()))
    times = {key: SegmentCost(((1, 1e-3 * i), (BATCH, 3e-3 * i))) for i, key in enumerate(keys, start=1)}
    return Hardware(
        "made up",
        "made up",
        times,
        load_bytes_per_s=1e6,
        prepare_s={"": 1e-4},
        score=ScoreCost(fixed_s=1e-3),
        tier_bytes_per_s={},
    )


def _misjudged(log: Log, result: SearchResult) -> str | None:
    """How the peaks of the plans differ from what the cache held."""
    said = max((plan.peaks[0] if plan.peaks else 0 for _, plan, _, _ in log.plans), default=0)
    held = result.measurement.peaks.get("cache_bytes", 0)
    return None if said == held else f"the plans say peaks of {said} bytes at most, the cache held {held}"
