"""What a strategy's rounds and plans have to be, so that whatever it says a search ends or says what is wrong."""

import inspect
from collections import Counter
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from typing import Any

from alsatian.data.dataset import Batch, upto
from alsatian.errors import FOREIGN, AlsatianError, StrategyError, place, said, told
from alsatian.planning.limits import Limits
from alsatian.planning.plan import Plan
from alsatian.searching.schedules import Round, Rounds, RoundScores
from alsatian.searching.strategy import Strategy
from alsatian.tree import TaskTree


def rounds_of(strategy: Strategy, models: Sequence[str], train: Sequence[Batch]) -> Rounds:
    """The rounds of ``strategy`` over the training batches ``train``, each looked at before it is carried out.

    Their items are those of whole batches. A round that sees the batches of the one before, as both ask for items
    of the same batch, has its scores already and is not carried out.

    Rounds may score models again on data on which rounds before did, to decide between fewer of them, but not more
    often than there are models: so they always end.

    Raises:
        StrategyError: names the strategy, or its schedule if that has the rounds, the round, what is wrong with it
            and the line that it comes from.
    """
    who, rounds = f"strategy={strategy.name}", strategy.rounds
    if type(strategy).rounds is Strategy.rounds:
        who, rounds = f"schedule={strategy.schedule.name}", strategy.schedule.rounds
    available = train[-1].stop if train else 0
    pending = _called(who, "rounds", rounds, list(models), available)
    if not isinstance(pending, Generator):
        what = f"rounds returns {said(pending)}; it has to yield Round(models, train_items)"
        raise StrategyError(f"{who}: {what} ({_defined(rounds)})")
    known, least = frozenset(models), 1 if strategy.computes else 0
    scores: Any = None
    last = Round((), 0)
    asked: set[tuple[str, int]] = set()
    number = idle = 0
    while True:
        number += 1
        upcoming = _called(who, f"round {number}", _next, pending, scores)
        if upcoming is None:
            break
        (given,) = upcoming
        fault = _fault(given, known, least, available)
        if fault is None:
            new = {(model, given.train_items) for model in given.models}
            idle, asked = idle + asked.issuperset(new), asked | new
            if idle > len(models):
                fault = "asks once more for what rounds before it found; rounds have to come to an end"
        if fault is not None:
            raise StrategyError(f"{who}: round {number} {fault} ({_stopped(pending)})")
        seen = max((batch.stop for batch in upto(train, given.train_items)), default=0)
        if seen != given.train_items and seen == last.train_items and set(given.models) <= set(last.models):
            scores = _scores_of(given.models, scores)
            continue
        last = Round(tuple(given.models), seen)
        scores = yield last
    if not asked:
        raise StrategyError(f"{who}: rounds yields no round; it takes one at least ({_defined(rounds)})")


def _scores_of(models: Sequence[str], scores: Mapping[str, float]) -> RoundScores:
    """Those of some ``models``."""
    part = RoundScores({model: scores[model] for model in models})
    outcomes = scores.outcomes if isinstance(scores, RoundScores) else {}
    part.outcomes = {model: outcomes[model] for model in models if model in outcomes}
    return part


def plan_of(
    strategy: Strategy, tree: TaskTree, models: Sequence[str], batches: Sequence[Batch], limits: Limits
) -> Plan:
    """The plan of ``strategy``; see :meth:`~alsatian.searching.strategy.Strategy.plan`.

    Raises:
        StrategyError: it is no plan, or planning fails; names the strategy and the line that it comes from.
    """
    who = f"strategy={strategy.name}"
    plan = _called(who, "plan", strategy.plan, tree, models, batches, limits)
    if not isinstance(plan, Plan):
        raise StrategyError(f"{who}: plan returns {said(plan)}; a Plan is expected ({_defined(strategy.plan)})")
    return plan


def _called(who: str, what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """What ``function`` returns. An error that nobody meant for people says whose it is."""
    try:
        return function(*arguments)
    except (AlsatianError, MemoryError):
        raise
    except FOREIGN as error:
        called = error.__traceback__ is not None and error.__traceback__.tb_next is not None
        reason = told(error) if called else f"{error} ({_defined(function)})"  # it takes other arguments
        raise StrategyError(f"{who}: {what} fails: {reason}") from error


def _next(pending: Rounds, scores: Any) -> tuple[Any] | None:
    """The next round, whatever it is, as the only value of a tuple; None behind the last."""
    try:
        return (pending.send(scores),)
    except StopIteration:
        return None


def _fault(given: Any, models: Collection[str], least: int, available: int) -> str | None:
    """What is wrong with a round, if anything is."""
    if not isinstance(given, Round):
        return f"is {said(given)}; Round(models, train_items) is expected"
    chosen, amount = given.models, given.train_items
    if isinstance(chosen, str) or not isinstance(chosen, Sequence):
        return f"has {said(chosen)} for its models; a tuple of their names is expected"
    if not chosen:
        return "has no models; leave it out"
    if unknown := [model for model in chosen if model not in models]:
        return f"names the model {unknown[0]!r}, which is none of the {len(models)} candidates"
    if twice := [model for model, count in Counter(chosen).items() if count > 1]:
        return f"names the model {twice[0]!r} twice"
    if isinstance(amount, bool) or not isinstance(amount, int) or not least <= amount <= available:
        return f"asks for {amount!r} training items where {least} to {available} can be had"
    return None


def _defined(method: Callable[..., Any]) -> str:
    """Where ``method`` is written."""
    code = getattr(inspect.unwrap(method), "__code__", None)
    return place(code.co_filename, code.co_firstlineno) if code else "no Python code"


def _stopped(pending: Any) -> str:
    """The line at which a generator, or the one that it yields from, waits."""
    while isinstance(pending.gi_yieldfrom, Generator):
        pending = pending.gi_yieldfrom
    return place(pending.gi_code.co_filename, pending.gi_frame.f_lineno)
