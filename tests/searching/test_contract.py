"""Rounds and plans that are not what they have to be end in a line that says whose they are, and where."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from alsatian.data.dataset import batches_ending_at
from alsatian.errors import BudgetError, ConfigError, StrategyError
from alsatian.models.model_set import ModelSet
from alsatian.planning.limits import Limits
from alsatian.planning.plan import Plan, Release, Score
from alsatian.searching.contract import plan_of, rounds_of
from alsatian.searching.schedules import Exhaustive, Round, Rounds, RoundScores
from alsatian.searching.strategy import Strategy
from alsatian.tree import TaskTree
from tests.searching.tiny_search import search

MODELS = ("a", "b", "c")


class Given(Strategy):
    """Yields what it was given."""

    def __init__(self, *rounds: Any) -> None:
        super().__init__(name="mine")
        object.__setattr__(self, "given", rounds)

    def rounds(self, models: Sequence[str], train_items: int) -> Rounds:
        yield from (one for one in self.given)  # type: ignore[attr-defined]


def drive(strategy: Strategy, ends: Sequence[int] = (1, 2, 3, 4)) -> list[Round]:
    pending = rounds_of(strategy, MODELS, batches_ending_at((), ends)[1])
    found = [next(pending)]
    while True:
        try:
            found.append(pending.send(dict.fromkeys(found[-1].models, 0.5)))
        except StopIteration:
            return found


def test_good_rounds_pass_as_they_are() -> None:
    rounds = [Round(MODELS, 2), Round(("c",), 1), Round(("a", "c"), 2), Round(("a", "b"), 4)]
    assert drive(Given(*rounds)) == rounds
    assert drive(Given(Round(["a", "b"], 2))) == [Round(("a", "b"), 2)]  # type: ignore[arg-type]


def test_a_round_has_whole_batches() -> None:
    rounds = [Round(MODELS, 1), Round(("a", "b"), 4), Round(("c",), 5)]
    assert drive(Given(*rounds), (3, 4, 10)) == [Round(MODELS, 3), Round(("a", "b"), 4), Round(("c",), 10)]


def test_a_round_on_the_batches_of_the_one_before_is_not_carried_out() -> None:
    heard = []

    class Listening(Strategy):
        def rounds(self, models: Sequence[str], train_items: int) -> Rounds:
            for amount, some in ((1, models), (2, models[1:]), (4, models[:1])):
                heard.append((yield Round(tuple(some), amount)))

    pending = rounds_of(Listening(name="mine"), MODELS, batches_ending_at((), (3, 10))[1])
    assert next(pending) == Round(MODELS, 3)
    scores = RoundScores({"a": 1.0, "b": 2.0, "c": 3.0})
    scores.outcomes = {"b": np.ones(2)}
    assert pending.send(scores) == Round(("a",), 10)
    assert heard == [scores, {"b": 2.0, "c": 3.0}]
    assert list(heard[1].outcomes) == ["b"]


def test_a_round_with_other_models_on_the_same_batches_is_carried_out() -> None:
    rounds = [Round(("a", "b"), 1), Round(("b", "c"), 2)]
    assert drive(Given(*rounds), (3, 10)) == [Round(("a", "b"), 3), Round(("b", "c"), 3)]


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (None, "round 1 is a value of type NoneType; Round"),
        ("all", "round 1 is 'all'; Round"),
        ((MODELS, 2), "round 1 is a value of type tuple; Round"),
        (Round("abc", 2), "round 1 has 'abc' for its models"),  # type: ignore[arg-type]
        (Round({"a"}, 2), "round 1 has a value of type set for its models"),  # type: ignore[arg-type]
        (Round((), 2), "round 1 has no models"),
        (Round(("a", "d"), 2), "round 1 names the model 'd', which is none of the 3 candidates"),
        (Round(("a", "b", "a"), 2), "round 1 names the model 'a' twice"),
        (Round(MODELS, 5), "round 1 asks for 5 training items where 1 to 4 can be had"),
        (Round(MODELS, 0), "round 1 asks for 0 training items"),
        (Round(MODELS, True), "round 1 asks for True training items"),
        (Round(MODELS, 2.0), "round 1 asks for 2.0 training items"),  # type: ignore[arg-type]
    ],
    ids=str,
)
def test_a_round_that_is_none(given: Any, fault: str) -> None:
    with pytest.raises(StrategyError) as caught:
        drive(Given(given))
    assert str(caught.value).startswith(f"strategy=mine: {fault}")
    line = Given.rounds.__code__.co_firstlineno + 1
    assert str(caught.value).endswith(f"test_contract.py:{line})")


def test_rounds_come_to_an_end() -> None:
    class Endless(Strategy):
        def rounds(self, models: Sequence[str], train_items: int) -> Rounds:
            amount = 0
            while True:
                amount = amount % train_items + 1
                yield Round(tuple(models), amount)

    with pytest.raises(StrategyError, match=r"round 8 asks once more for what rounds before it found"):
        drive(Endless(name="mine"))


class Returns(Strategy):
    """Gives a value instead of rounds and plans, or raises it."""

    def __init__(self, value: Any) -> None:
        super().__init__(name="mine")
        object.__setattr__(self, "value", value)

    def rounds(self, *given: Any) -> Any:
        return self._answer()

    def plan(self, *given: Any) -> Any:
        return self._answer()

    def _answer(self) -> Any:
        value = vars(self)["value"]
        if isinstance(value, Exception):
            raise value
        return value


def empty() -> Generator[Any, Any, None]:
    yield from ()


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (None, "strategy=mine: rounds returns a value of type NoneType; it has to yield Round"),
        ([Round(MODELS, 1)], "strategy=mine: rounds returns a value of type list; it has to yield Round"),
        (empty(), "strategy=mine: rounds yields no round; it takes one at least"),
        (KeyError("benefit"), "strategy=mine: rounds fails: KeyError: 'benefit' ("),
    ],
    ids=["None", "list", "empty", "error"],
)
def test_rounds_that_are_none(value: Any, fault: str) -> None:
    with pytest.raises(StrategyError) as caught:
        drive(Returns(value))
    assert str(caught.value).startswith(fault)
    assert "test_contract.py:" in str(caught.value)


class NoRound(Exhaustive):
    name = "no_round"

    def rounds(self, models: Sequence[str], train_items: int) -> Rounds:
        yield from ()


def test_a_schedule_is_named_where_the_rounds_are_its() -> None:
    with pytest.raises(StrategyError) as caught:
        drive(Strategy(schedule=NoRound(), name="mine"))
    line = NoRound.rounds.__code__.co_firstlineno
    assert str(caught.value).startswith("schedule=no_round: rounds yields no round; it takes one at least (")
    assert str(caught.value).endswith(f"test_contract.py:{line})")


def test_plans_that_are_none() -> None:
    given = (TaskTree(), MODELS, (), Limits())
    with pytest.raises(StrategyError, match=r"strategy=mine: plan returns 'x'; a Plan is expected \(.*py:\d+\)"):
        plan_of(Returns("x"), *given)
    with pytest.raises(StrategyError, match=r"strategy=mine: plan fails: ZeroDivisionError: by what \(.*py:\d+\)"):
        plan_of(Returns(ZeroDivisionError("by what")), *given)
    for error in (ConfigError("mine.size=0: must be positive"), BudgetError("too little")):
        with pytest.raises(type(error)) as caught:  # what is meant for people stays as it is
            plan_of(Returns(error), *given)
        assert caught.value is error


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda steps: [s for s in steps if not isinstance(s, Score)], "makes no progress; models without score: "),
        (lambda steps: [s for step in steps for s in [step] * (1 + isinstance(step, Release))], "twice"),
        (lambda steps: [s for s in steps if not isinstance(s, Release)], "never releases vertex"),
        (lambda steps: [*steps, Score(99)], "but the tree has only the vertices 0 to"),
        (lambda steps: sorted(steps, key=lambda s: not isinstance(s, Score)), "before its features are computed"),
    ],
    ids=["no scores", "released twice", "not released", "no such vertex", "scored too soon"],
)
def test_a_plan_that_cannot_be_carried_out_names_the_strategy(family: ModelSet, change: Any, fault: str) -> None:
    class Mine(Strategy):
        def plan(self, *given: Any) -> Plan:
            plan = super().plan(*given)
            return replace(plan, steps=change(list(plan.steps)))

    with pytest.raises(StrategyError) as caught:
        search(family, strategy=Mine(name="mine"))
    assert str(caught.value).startswith("strategy=mine: the plan of round 1 ")
    assert fault in str(caught.value)
    if "progress" in fault:
        assert all(model in str(caught.value) for model in ("first", "second", "third", "twin", "alone"))


def test_a_plan_that_ignores_the_budget_names_the_strategy(family: ModelSet) -> None:
    class Mine(Strategy):
        def plan(self, tree: TaskTree, models: Sequence[str], batches: Any, limits: Limits) -> Plan:
            return super().plan(tree, models, batches, Limits())

    with pytest.raises(
        BudgetError, match="strategy=mine: the plan of round 1 does not keep to the budgets: the plan"
    ):
        search(family, strategy=Mine(name="mine"), budget="40%")
