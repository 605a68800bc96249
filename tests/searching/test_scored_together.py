"""Models that are scored together are scored as each alone, and no later than they need be."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch

from alsatian.api import Watcher
from alsatian.costs.hardware import ScoreCost
from alsatian.models.model_set import ModelSet
from alsatian.proxies.base import Evaluation
from alsatian.proxies.linear import Linear
from alsatian.runtime import scorer
from alsatian.runtime.scorer import Scored
from alsatian.searching.strategy import Strategy
from tests.machines.timed.test_prediction import costs_of, predicted
from tests.searching.test_recovery import with_extra
from tests.searching.tiny_search import ALSATIAN, PROXY, Known, by_name, check, search


class Counted(Linear):
    """Notes how many models it scores together."""

    def score_together(self, train_x: Sequence[torch.Tensor], *others: Any) -> list[Evaluation]:
        self.__dict__.setdefault("counts", []).append(len(train_x))
        return super().score_together(train_x, *others)


class Seen(Watcher):
    """Notes how many models of a round have scores after every step."""

    def __init__(self) -> None:
        self.scored: Mapping[str, Scored] = {}
        self.counts: list[int] = []

    def planned(self, steps: int, scored: Mapping[str, Scored]) -> None:
        self.scored = scored

    def step_ended(self) -> None:
        self.counts.append(len(self.scored))


@by_name
@pytest.mark.parametrize("together", [1, 30_000, 1 << 30])
def test_scores_are_those_of_each_alone(
    family: ModelSet, truth: Known, strategy: Strategy, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scorer, "TOGETHER_BYTES", together)
    proxy = Counted(epochs=PROXY.epochs)
    check(search(family, strategy=strategy, proxies=proxy), truth)
    alone = set(vars(proxy)["counts"]) == {1}
    assert alone if together == 1 else max(vars(proxy)["counts"]) > 1


def test_all_of_a_round_are_scored_together_if_they_are_small(family: ModelSet) -> None:
    """With four distinct models in five: the twin has another's features."""
    proxy, seen = Counted(epochs=1), Seen()
    found = search(family, proxies=proxy, progress=seen)
    assert vars(proxy)["counts"][0] == 4
    assert len(vars(proxy)["counts"]) == len(found.rounds)


def test_scores_come_while_a_search_goes_on(family: ModelSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as enough features wait, and one by one where a proxy does not gain from company."""
    monkeypatch.setattr(scorer, "TOGETHER_BYTES", 1)
    for proxies in (PROXY, "logistic"):
        seen = Seen()
        search(family, proxies=proxies, progress=seen)
        assert {1, 2, 3} & set(seen.counts)


def test_only_bad_models_are_left_out_of_those_that_wait(family: ModelSet, truth: Known) -> None:
    def infinite(state: torch.Tensor) -> torch.Tensor:
        return torch.full_like(state, float("inf"))

    models = with_extra(family, infinite, family.candidates[0].blocks[1].output_bytes)
    proxy = Counted(epochs=PROXY.epochs)
    found = search(models, proxies=proxy, on_bad_model="exclude")
    assert list(found.excluded) == ["bad"]
    assert found.excluded["bad"] == "model 'bad': its features are not finite (NaN or infinite)"
    assert vars(proxy)["counts"][0] == 4
    check(found, truth)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_features_are_finite_or_not_whatever_their_sum(bad: float) -> None:
    large = torch.full((3, 4), 3e38)
    assert scorer._finite(large)
    large[1, 2] = bad
    assert not scorer._finite(large)
    assert not scorer._finite(torch.tensor([[bad, -bad, 0.0]]))


def test_waiting_takes_no_time_on_a_virtual_clock(family: ModelSet) -> None:
    parts = [
        predicted(
            family, costs_of(family, score=ScoreCost(fixed_s=0.01, together=together)), ALSATIAN
        ).measurement.parts_s["proxy_scoring"]
        for together in (False, True)
    ]
    assert parts[0] == pytest.approx(parts[1]) != 0


def test_a_machine_on_a_virtual_clock_waits_as_the_real_one(family: ModelSet) -> None:
    """Blocks are not read behind scores that come at the end."""
    walls = []
    for together in (False, True):
        costs = costs_of(family, score=ScoreCost(fixed_s=0.05, together=together), store_fixed_s=0.05)
        walls.append(predicted(family, costs, ALSATIAN).measurement.wall_s)
    assert walls[0] < walls[1]
