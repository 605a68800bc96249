"""Within one choice of kernels and numbers results are the same to the bit, whatever is shared, cached and read."""

import itertools
from pathlib import Path

import pytest
import torch
from torch import nn

import alsatian
from alsatian.budgets import Budgets
from alsatian.data.digits import digits
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import ConfigError
from alsatian.models.model_set import ModelSet
from alsatian.runtime.loading.settings import LoaderSettings
from alsatian.searching import known_costs
from alsatian.searching.schedules import Halving
from alsatian.searching.strategy import Strategy
from alsatian.store.store import BlockStore
from tests.searching.tiny_search import ALSATIAN, BASE, FEW, PROXY, STRATEGIES, outcomes, search

CHOICES = [("layout", "fp32"), ("layout", "bf16"), ("eager", "bf16")]
by_choice = pytest.mark.parametrize(("kernels", "numerics"), CHOICES)


def network(seed: int, like: nn.Module | None, shared: int) -> nn.Module:
    """Convolutions with norms; the first ``shared`` layers are those of ``like``."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise((3, 8, 8, 12)):
        layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        nn.init.uniform_(layers[-2].running_var, 0.5, 1.5)  # type: ignore[arg-type]
    body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(48, 10)).eval()
    if like is not None:
        for own, other in itertools.islice(zip(body, like, strict=True), shared):  # type: ignore[call-overload]
            own.load_state_dict(other.state_dict())
    return body


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    base = network(0, None, 0)
    modules = {"base": base, "late": network(1, base, 9), "middle": network(2, base, 6), "own": network(3, None, 0)}
    store = BlockStore(tmp_path_factory.mktemp("store"))
    return ModelSet.from_modules(store, modules, ImagePreprocessing(8))


@by_choice
def test_strategies_agree_to_the_bit(networks: ModelSet, kernels: str, numerics: str, tmp_path: Path) -> None:
    data = digits(FEW)
    choice = {"kernels": kernels, "numerics": numerics}
    known = {}
    for strategy in STRATEGIES:
        for budgets in (
            Budgets(budget=None, block_budget=None),
            Budgets(budget=16_000, block_budget=2_000, ssd_budget=20_000, ssd_dir=tmp_path),
        ):
            for loader in (LoaderSettings(), LoaderSettings(read_ahead=False)):
                found = search(networks, data, strategy, budget=budgets, loader=loader, **choice)
                for where, outcome in outcomes(found).items():
                    assert known.setdefault(where, outcome) == outcome, (strategy.name, where)
    eager = outcomes(search(networks, data, BASE, kernels="eager"))
    assert eager.keys() <= known.keys()
    assert all(eager[where][1] != known[where][1] for where in eager), "other kernels, other bits"


@by_choice
def test_features_are_float32_and_those_of_the_search(networks: ModelSet, kernels: str, numerics: str) -> None:
    found = search(networks, digits(FEW), BASE, kernels=kernels, numerics=numerics)
    assert isinstance(found, alsatian.Ranking)
    again = found.features()
    assert again["train_x"].dtype == torch.float32
    assert (found.record.kernels, found.record.numerics) == (kernels, numerics)
    scored = PROXY.score(again["train_x"], again["train_y"], again["test_x"], again["test_y"], 10)
    (last,) = (round_.scores for round_ in found.rounds[-1:])
    assert float(getattr(scored, "score", scored)) == last[found.best]


def test_earlier_features_count_for_one_choice_only(tmp_path: Path) -> None:
    modules = {"one": network(0, None, 0), "two": network(1, None, 0)}
    models = ModelSet.from_modules(BlockStore(tmp_path), modules, ImagePreprocessing(8))

    def again(**choice: str) -> int:
        found = search(models, digits(FEW), ALSATIAN, reuse=True, schedule=Halving(), **choice)
        return found.measurement.counters.get("block_executions", 0)

    assert again(kernels="layout") > 0
    assert again(kernels="eager") > 0
    assert again(kernels="layout", numerics="bf16") > 0
    assert again(kernels="layout") == again(kernels="eager") == again(kernels="layout", numerics="bf16") == 0


def test_a_checkpoint_of_another_choice_is_refused(networks: ModelSet, tmp_path: Path) -> None:
    before = search(networks, digits(FEW), kernels="layout", checkpoint=tmp_path)
    with pytest.raises(ConfigError, match="finished rounds of another search"):
        search(networks, digits(FEW), kernels="eager", checkpoint=tmp_path)
    same = search(networks, digits(FEW), kernels="layout", checkpoint=tmp_path)
    assert outcomes(before) == outcomes(same)


def test_layers_are_taken_by_the_same_kernels(networks: ModelSet) -> None:
    eager, laid = (
        search(networks, digits(FEW), Strategy(), layers="best", kernels=kernels) for kernels in ("eager", "layout")
    )
    assert {model for found in laid.rounds for model in found.scores} == {c.id for c in networks.candidates}
    assert outcomes(eager).keys() == outcomes(laid).keys()


def test_a_misspelt_choice_is_said_before_anything_is_read() -> None:
    with pytest.raises(ConfigError, match="kernels=fast"):
        alsatian.search("nowhere", "nothing", kernels="fast")


def test_the_machine_is_measured_with_the_numbers_of_the_search(
    networks: ModelSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    monkeypatch.setattr(known_costs, "quick_profile", lambda *given: seen.append(torch.backends.cudnn.allow_tf32))
    search(networks, digits(FEW), hardware="quick")
    assert seen == [False]
    assert torch.backends.cudnn.allow_tf32
