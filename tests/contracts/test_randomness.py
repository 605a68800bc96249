"""A candidate is a function of its input: what draws random numbers is refused or ranked last."""

import itertools
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

import alsatian
from alsatian.data.digits import digits
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import AlsatianError, SplitError
from alsatian.models.model_set import ModelSet
from alsatian.models.sets.folder import add_path
from alsatian.store.store import BlockStore
from tests.conftest import quick_body, tiny_model
from tests.models.reading.checkpoint_files import save_vit, vit

PREPROCESSING = ImagePreprocessing(8)
DATA = digits(41)
Call = Callable[[torch.Tensor], torch.Tensor]


class Then(nn.Module):
    """A body, and something done to its features (N, 128)."""

    def __init__(self, then: Call) -> None:
        super().__init__()
        self.body = quick_body()
        self.then = then

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.then(self.body(x).flatten(1))


def attention(x: torch.Tensor, **options: Any) -> torch.Tensor:
    heads = x.unflatten(1, (4, 2, 16))
    return F.scaled_dot_product_attention(heads, heads, heads, **options).flatten(1)


# Random operators, by the call that puts them into a graph.
RANDOM: dict[str, Call] = {
    "dropout": F.dropout,
    "dropout with p": lambda x: F.dropout(x, 0.1, training=True),
    "dropout in place": lambda x: F.dropout(x * 1, 0.1, training=True, inplace=True),
    "dropout1d": lambda x: F.dropout1d(x.unflatten(1, (8, 16)), 0.5, training=True).flatten(1),
    "dropout2d": lambda x: F.dropout2d(x[:, :, None, None]).flatten(1),
    "dropout3d": lambda x: F.dropout3d(x[:, :, None, None, None]).flatten(1),
    "alpha dropout": lambda x: F.alpha_dropout(x, training=True),
    "feature alpha dropout": lambda x: F.feature_alpha_dropout(x, training=True),
    "rrelu": lambda x: F.rrelu(x, training=True),
    "gumbel softmax": F.gumbel_softmax,
    "attention": lambda x: attention(x, dropout_p=0.1),
    "rand": lambda x: x + torch.rand(128),
    "rand for each item": lambda x: x + torch.rand(x.shape),
    "rand_like": lambda x: x + torch.rand_like(x),
    "randn": lambda x: x + torch.randn(128),
    "randn_like": lambda x: x + 1e-6 * torch.randn_like(x),
    "randint": lambda x: x * torch.randint(0, 2, (128,)),
    "randperm": lambda x: x[:, torch.randperm(128)],
    "bernoulli": lambda x: x * torch.bernoulli(torch.full((128,), 0.5)),
    "multinomial": lambda x: x[:, torch.multinomial(torch.ones(128), 64)],
    "poisson": lambda x: torch.poisson(x.abs()),
    "binomial": lambda x: torch.binomial(torch.full((128,), 9.0), x.sigmoid()[0] * 0 + 0.5) + x,
    "normal": lambda x: torch.normal(x, 1.0),
    "uniform in place": lambda x: x + torch.empty(128).uniform_(),
    "normal in place": lambda x: x + torch.empty(128).normal_(),
    "exponential in place": lambda x: x + torch.empty(128).exponential_(),
    "a distribution": lambda x: x + torch.distributions.Normal(0.0, 1.0).sample((128,)),
    "a distribution of classes": lambda x: x + torch.distributions.Categorical(logits=x).sample()[:, None],
    "stochastic depth": lambda x: torchvision.ops.stochastic_depth(x, 0.5, "row", training=True),
    "drop block": lambda x: torchvision.ops.drop_block2d(x.unflatten(1, (8, 4, 4)), 0.5, 3).flatten(1),
    "fractional pooling": lambda x: F.fractional_max_pool2d(x.unflatten(1, (8, 4, 4)), 2, 2).flatten(1),
    "seeded inside": lambda x: x + torch.rand(128, out=None) * (torch.manual_seed(0) is not None),
}
_COUNT = itertools.count()
_GENERATOR = np.random.default_rng(0)
# What no graph shows, for it is computed while a model is exported.
UNSEEN: dict[str, Call] = {
    "Python's numbers": lambda x: x * random.random(),
    "Python's choice": lambda x: x * random.choice(range(1000)),
    "NumPy's numbers": lambda x: x * float(np.random.rand()),
    "a generator of NumPy": lambda x: x * float(_GENERATOR.random()),
    "a layer left out now and then": lambda x: x if random.random() < 0.8 else x + 1,
    "a counter": lambda x: x * next(_COUNT),
}
# What looks random and is not, in evaluation mode.
HARMLESS: dict[str, Call] = {
    "dropout that is off": lambda x: F.dropout(x, 0.5, training=False),
    "dropout of nothing": lambda x: F.dropout(x, 0.0, training=True),
    "attention without dropout": attention,
    "rrelu in evaluation": F.rrelu,
    "numbers that nobody uses": lambda x: (torch.rand(()), x)[1],
    "Python's numbers that nobody uses": lambda x: (random.random(), x)[1],
    "memory that is filled": lambda x: x + torch.empty(128).fill_(1),
    "not a number": lambda x: x * float("nan"),
    "a generator made anew": lambda x: x * random.Random(0).random(),
}


@pytest.fixture(scope="module")
def without_random_models(tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    """A good model among all that are random: every one of them is exported once."""
    modules = {**{case: Then(call) for case, call in (RANDOM | UNSEEN).items()}, "good": tiny_model("aaab")}
    store = BlockStore(tmp_path_factory.mktemp("store"))
    return ModelSet.from_modules(store, modules, PREPROCESSING, on_bad_model="exclude")


@pytest.mark.parametrize("case", RANDOM)
def test_random_operators_are_found_in_the_graph(without_random_models: ModelSet, case: str) -> None:
    line = without_random_models.refused[case]
    expected = rf"model '{case}': Then is no function of its input: aten\.\S+ draws random numbers"
    assert re.match(expected, line)
    assert "\n" not in line


@pytest.mark.parametrize("case", UNSEEN)
def test_what_no_graph_shows_is_found_by_running_a_batch_again(without_random_models: ModelSet, case: str) -> None:
    line = without_random_models.refused[case]
    assert line.startswith(f"model '{case}': Then is no function of its input: two runs of one batch")
    assert "\n" not in line


def test_random_models_are_ranked_last(without_random_models: ModelSet) -> None:
    assert [candidate.id for candidate in without_random_models.candidates] == ["good"]
    assert list(without_random_models.refused) == [*RANDOM, *UNSEEN]


@pytest.mark.parametrize(
    ("call", "reason"), [(F.dropout, r"aten\.\S+ draws random"), (UNSEEN["a counter"], "two runs of one batch")]
)
def test_a_search_of_a_random_model_ends_in_one_line(call: Call, reason: str) -> None:
    message = rf"'bad': Then is no function of its input: {reason}"
    with pytest.raises(AlsatianError, match=message) as error:
        alsatian.search({"bad": Then(call)}, DATA, preprocessing=PREPROCESSING)
    assert "\n" not in str(error.value)


def test_the_ranking_ends_with_random_models_and_their_reasons() -> None:
    modules = {"dropout": Then(F.dropout), "good": tiny_model("aaab"), "python": Then(UNSEEN["Python's numbers"])}
    result = alsatian.search(
        modules, DATA, preprocessing=PREPROCESSING, on_bad_model="exclude", verify=True, batch_size=8
    )
    alone = alsatian.search({"good": modules["good"]}, DATA, preprocessing=PREPROCESSING, verify=True, batch_size=8)
    assert result.ranked == ("good", "dropout", "python")
    assert "native_dropout.default draws random numbers" in result.excluded["dropout"]
    assert "two runs of one batch" in result.excluded["python"]
    assert result.rounds == alone.rounds


@pytest.mark.parametrize("case", HARMLESS)
def test_no_false_alarm(case: str, tmp_path: Path) -> None:
    models = ModelSet.from_modules(BlockStore(tmp_path), {"one": Then(HARMLESS[case])}, PREPROCESSING)
    assert not models.refused


class Parts(nn.Module):
    """Modules that draw random numbers in training only."""

    def __init__(self) -> None:
        super().__init__()
        self.body = quick_body()
        self.lstm = nn.LSTM(16, 16, num_layers=2, dropout=0.5, batch_first=True)
        self.attention = nn.MultiheadAttention(16, 2, dropout=0.5, batch_first=True)
        self.layer = nn.TransformerEncoderLayer(16, 2, 16, dropout=0.5, batch_first=True)
        self.depth = torchvision.ops.StochasticDepth(0.5, "row")
        self.rest = nn.Sequential(nn.Dropout(), nn.AlphaDropout(), nn.RReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.body(x).flatten(1).unflatten(1, (8, 16))
        tokens = self.lstm(tokens)[0]
        tokens = self.layer(self.attention(tokens, tokens, tokens)[0])
        return self.rest(self.depth(tokens)).flatten(1)


@pytest.mark.parametrize("training", [True, False])
def test_modules_with_dropout_are_functions_in_evaluation_mode(training: bool) -> None:
    module = Parts().train(training)
    assert alsatian.search({"one": module}, DATA, preprocessing=PREPROCESSING).winner == "one"
    assert all(part.training == training for part in module.modules())


@pytest.mark.parametrize(
    "draw", [lambda: torch.rand(3).tolist(), random.random, np.random.rand], ids=["torch", "Python", "NumPy"]
)
def test_the_caller_s_random_numbers_are_left_alone(draw: Callable[[], Any], tmp_path: Path) -> None:
    modules = {"good": tiny_model("aaaa"), "bad": Then(lambda x: x * random.random() * float(np.random.rand()))}
    found = []
    for search in (False, True):
        torch.manual_seed(0)
        random.seed(0)
        np.random.seed(0)
        if search:
            models = ModelSet.from_modules(BlockStore(tmp_path), modules, PREPROCESSING, on_bad_model="exclude")
            assert list(models.refused) == ["bad"]
        found.append(draw())
    assert found[0] == found[1]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder with two models, saved by transformers."""
    for seed in (0, 1):
        save_vit(vit(seed), tmp_path / "models" / str(seed))
    return tmp_path / "models"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (F.dropout, r"draws random numbers in evaluation mode"),
        (lambda x: x + torch.rand(()), r"draws random numbers in evaluation mode"),
        (lambda x: x * random.random(), "two runs of one batch"),
    ],
    ids=["dropout", "rand", "Python's numbers"],
)
def test_models_read_from_a_folder_are_functions_too(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Call, message: str
) -> None:
    """A library may leave its dropout on; it is not our code."""
    from transformers.models.vit import modeling_vit

    forward = modeling_vit.ViTEmbeddings.forward
    monkeypatch.setattr(modeling_vit.ViTEmbeddings, "forward", lambda *a, **k: change(forward(*a, **k)))
    monkeypatch.setattr("alsatian.models.reading.architectures._library", {})
    refused: dict[str, str] = {}
    assert add_path(BlockStore(tmp_path / "store"), saved, refused=refused.__setitem__) == []
    assert list(refused) == ["0", "1"]
    for line in refused.values():
        assert "no function of its input" in line
        assert "\n" not in line
        assert message in line


def test_split_refuses_what_is_random_by_its_own() -> None:
    from alsatian.blocks.split import split

    with pytest.raises(SplitError, match="draws random numbers"):
        split(Then(F.dropout), PREPROCESSING.example())
