"""``alsatian check``: what ships passes, and every mistake is caught, named and shrunk."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from alsatian.errors import ConfigError
from experiments.checking import policies, proxies, searches, suite
from experiments.checking.cases import CASES, FEW, Case
from experiments.checking.parts import KEEPS_K, PERMUTATION, SHRINKS
from experiments.checking.subjects import suites
from experiments.checking.suite import SAME, Judgement, judge
from experiments.configuration.composition import cells
from experiments.configuration.menu import choices
from tests.experiments.conftest import Families

SMALL = (FEW[0], FEW[2])
MODULE = Path(__file__).with_name("broken.py")


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a module of baselines, which Python finds; nobody finds it afterwards."""
    shutil.copy(MODULE, tmp_path / "mine.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("mine", None)


def judged(families: Families, *words: str, cases: tuple[Case, ...] = FEW) -> list[list[Judgement]]:
    return [judge(one) for one in suites(cells(words), words, families, cases)]


def failing(judgements: list[Judgement]) -> dict[str, str]:
    return {one.name: one.failure.reason for one in judgements if one.failure is not None}


def every(group: str) -> list[str]:
    return [f"{group}={name}" for name in choices(group)]


@pytest.mark.parametrize("word", every("strategy"))
def test_every_strategy_passes(families: Families, word: str) -> None:
    (found,) = judged(families, word)
    assert not failing(found)
    # A control makes no plans and has no scores of the proxy.
    without = {searches.PLANS, searches.SCORES, searches.FEATURES} if word == "strategy=size_order" else set()
    assert {one.name: one.cases for one in found} == {
        name: 0 if name in without else len(FEW) for name in searches.PROPERTIES
    }


@pytest.mark.parametrize("word", [*every("order"), *every("schedule"), *every("cache")])
def test_every_part_of_a_strategy_passes(families: Families, word: str) -> None:
    alone, used = judged(families, word, cases=(FEW[2],))
    assert not failing(alone)
    assert not failing(used)
    assert all(one.cases for one in (*alone, *used))


@pytest.mark.parametrize("word", every("proxy"))
def test_every_proxy_passes(families: Families, word: str) -> None:
    (found,) = judged(families, word)
    assert not failing(found)
    assert all(one.cases for one in found)


@pytest.mark.slow
@pytest.mark.parametrize("word", ["strategy=alsatian", "strategy=auto"])
def test_a_strategy_passes_all_cases(families: Families, word: str) -> None:
    (found,) = judged(families, word, cases=CASES)
    assert not failing(found)


# The property that fails, and what is said of it.
CAUGHT = {
    "ForgetsAScore": (searches.PLANS, "never scores the model '"),
    "ReleasesTooEarly": (searches.PLANS, "it is released too early"),
    "ReleasesTwice": (searches.PLANS, "twice"),
    "ReleasesNothing": (searches.PLANS, "never releases vertex"),
    "TakesTheWrongModel": (searches.FEATURES, "has other features than with base"),
    "PlansNothing": (searches.RUNS, "plan returns a value of type NoneType; a Plan is expected (mine.py:"),
    "NeverEnds": (searches.RUNS, "rounds have to come to an end (mine.py:"),
    "YieldsText": (searches.RUNS, "round 1 is 'all models'; Round(models, train_items) is expected (mine.py:"),
    "ReturnsNoRounds": (searches.RUNS, "rounds returns a value of type NoneType; it has to yield"),
    "HasNoRound": (searches.RUNS, "rounds yields no round; it takes one at least (mine.py:"),
    "KnowsOtherModels": (searches.RUNS, "names the model 'mine', which is none of the"),
    "WantsTooMuch": (searches.RUNS, "training items where 1 to"),
    "ChangesFeatures": (searches.FEATURES, "has other features than with base"),
    "IgnoresBudgets": (searches.BUDGETS, "does not keep to the budgets: the plan needs"),
    "Shuffles": (SAME, "of a second search has another plan"),
    "Raises": (searches.RUNS, "plan fails: KeyError: 'benefit' (mine.py:"),
    "LeavesItemsOut": (searches.PLANS, "batches out, the first of them"),
    "CutsBatches": (searches.PLANS, "has a batch that it was not given, or cuts one"),
    "Exits": (searches.RUNS, "plan fails: SystemExit: 0 (mine.py:"),
    "TakesTooLittle": (searches.RUNS, "plan fails: TypeError: "),
    "Misjudges": (searches.PLANS, "the plans say peaks of 1 bytes at most, the cache held "),
    "ScoresNoVertex": (searches.RUNS, "has Score(vertex=-1) as step "),
    "ScoresTooSoon": (searches.PLANS, "before its features are computed"),
}


@pytest.mark.parametrize("name", CAUGHT)
def test_a_broken_strategy_is_caught(
    families: Families, mine: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(mine)
    monkeypatch.setattr(suite, "SHRINKING_S", 0.0)
    cases = (CASES[14],) if name == "IgnoresBudgets" else SMALL
    (found,) = judged(families, f"strategy._target_=mine.{name}", "strategy.name=mine", cases=cases)
    prop, reason = CAUGHT[name]
    assert reason in failing(found)[prop]
    said = failing(found).get(searches.RUNS, "strategy=mine")
    assert "strategy=mine" in said


def test_the_case_is_shrunk(families: Families, mine: Path) -> None:
    (found,) = judged(families, "strategy._target_=mine.ForgetsAScore", cases=(CASES[10],))
    (failure,) = [one.failure for one in found if one.name == searches.PLANS]
    assert failure is not None
    assert failure.case.startswith(("1 model ", "2 models "))
    assert failure.case.endswith("4 + 4 items in batches of 4; no budget")


PARTS = {
    "order._target_=mine.Backwards": (PERMUTATION, "stands before its parent"),
    "order._target_=mine.Leaves": (PERMUTATION, "the order is"),
    "order._target_=mine.ReturnsNothing": (
        PERMUTATION,
        "order=returns_nothing: returns a value of type NoneType; a list of vertices is expected",
    ),
    "order._target_=mine.Whim": (SAME, "when asked again"),
    "cache.policy._target_=mine.EvictsAnything": (policies.EVICTS, "evicts 0, which"),
    "cache.policy._target_=mine.Remembers": (policies.ANEW, "as fresh() of a used one"),
    "schedule=exhaustive schedule._target_=mine.Grows": (SHRINKS, "round 2 has 2 models"),
    "schedule=exhaustive schedule._target_=mine.KeepsOne": (KEEPS_K, "a round has 1 models where k=2"),
    "proxy=nce proxy._target_=mine.NotANumber": (proxies.FINITE, "the score is -inf"),
    "proxy=nce proxy._target_=mine.Writes": (proxies.FINITE, "a proxy returned '0.5'; a number or an Evaluation"),
    "proxy=nce proxy._target_=mine.ProxyExits": (proxies.FINITE, "SystemExit: enough ("),
    "proxy=nce proxy._target_=mine.Dice": (SAME, "with another random state"),
    "proxy=nce proxy._target_=mine.Compares": (proxies.ALONE, "after another model was scored"),
    "proxy=nce proxy._target_=mine.Averages": (proxies.ALONE, "together with another model"),
    "proxy=nce proxy._target_=mine.Normalises": (proxies.UNCHANGED, "are others afterwards"),
}


@pytest.mark.parametrize("words", PARTS)
def test_a_broken_part_is_caught(families: Families, mine: Path, words: str) -> None:
    first, *_ = suites(cells(words.split()), words.split(), families, ())
    found = judge(first)
    prop, reason = PARTS[words]
    assert reason in failing(found)[prop]


def command(mine: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    path = os.pathsep.join([str(mine), str(Path(__file__).parents[3])])
    return subprocess.run(
        [sys.executable, "-m", "alsatian", "check", *words],
        cwd=mine, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_one_that_hangs_is_named(mine: Path) -> None:
    done = command(mine, "strategy._target_=mine.Sleeps", "strategy.name=mine", "--limit=3")
    assert done.returncode == 1
    line = MODULE.read_text().splitlines().index("        time.sleep(600)") + 1
    assert f"takes longer than 3 s: it was at mine.py:{line}" in " ".join(done.stdout.split())
    assert done.stdout.startswith("strategy._target_=mine.Sleeps strategy.name=mine: FAILED")


def test_several_at_once_and_tracebacks(mine: Path) -> None:
    done = command(mine, "-m", "proxy=nce", "proxy._target_=mine.Fails,alsatian.proxies.gbc.Gbc", "--traceback")
    assert (done.returncode, done.stderr) == (1, "")
    line = MODULE.read_text().splitlines().index('        raise RuntimeError("no features")') + 1
    head, _, last = done.stdout.partition("proxy=nce proxy._target_=alsatian.proxies.gbc.Gbc: passed")
    assert head.startswith("proxy=nce proxy._target_=mine.Fails: FAILED")
    assert f"RuntimeError: no features (mine.py:{line})" in head
    assert 'raise RuntimeError("no features")' in head
    assert last
    assert max(map(len, done.stdout.partition("Traceback")[0].splitlines())) <= 80


def test_what_there_is_not_is_one_line(families: Families, mine: Path) -> None:
    words = ("proxy=nce", "proxy._target_=mine.Nobody")
    with pytest.raises(ConfigError, match=r"^_target_=mine.Nobody: .*mine.py has no 'Nobody'"):
        list(suites(cells(words), words, families))
