"""The linear proxy is what it says, for everyone, every time."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, linear

from alsatian.errors import ConfigError
from alsatian.proxies.linear import Linear

Problem = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, int]


def problem(seed: int, spread: float = 1.0, train: int = 150, test: int = 97, width: int = 12) -> Problem:
    """Items around the centres of five classes; a larger spread is harder to tell apart."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(5, width, generator=generator)
    labels = torch.randint(5, (train + test,), generator=generator)
    items = centres[labels] + spread * torch.randn(train + test, width, generator=generator)
    return items[:train], labels[:train], items[train:], labels[train:], 5


def reference(proxy: Linear, data: Problem) -> float:
    """The same in as few words as possible: plain SGD on a weight and a bias."""
    train_x, train_y, test_x, test_y, classes = data
    generator = torch.Generator().manual_seed(proxy.seed)
    bound = train_x.shape[1] ** -0.5
    weight = torch.empty(classes, train_x.shape[1]).uniform_(-bound, bound, generator=generator)
    bias = torch.empty(classes).uniform_(-bound, bound, generator=generator)
    for _ in range(proxy.epochs):
        for start in range(0, len(train_x), proxy.batch_size):
            batch = slice(start, start + proxy.batch_size)
            weight.requires_grad_()
            bias.requires_grad_()
            loss = cross_entropy(linear(train_x[batch], weight, bias), train_y[batch])
            steps = torch.autograd.grad(loss, (weight, bias))
            weight, bias = (
                p.detach() - proxy.learning_rate * g for p, g in zip((weight, bias), steps, strict=True)
            )
    return float((linear(test_x, weight, bias).argmax(1) == test_y).float().mean())


@pytest.mark.parametrize(
    "proxy",
    [
        Linear(),
        Linear(epochs=1),
        Linear(epochs=3, batch_size=16),
        Linear(learning_rate=0.01, epochs=2),
        Linear(epochs=2, seed=5),
        Linear(epochs=2, batch_size=7),
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", range(3))
def test_it_is_a_linear_layer_trained_by_sgd(proxy: Linear, seed: int) -> None:
    data = problem(seed, spread=2.0)
    assert proxy.score(*data).score == pytest.approx(reference(proxy, data), abs=1e-6)


def test_the_settings_matter() -> None:
    """Or the comparison above would not tell anything about them."""
    data = problem(0, spread=2.0)
    variants = [
        Linear(epochs=2),
        Linear(epochs=9),
        Linear(epochs=2, batch_size=16),
        Linear(epochs=2, learning_rate=0.01),
        Linear(epochs=2, seed=5),
    ]
    assert len({proxy.score(*data).score for proxy in variants}) == len(variants)


def test_the_defaults_are_the_papers() -> None:
    assert Linear() == Linear(learning_rate=0.1, epochs=100, batch_size=128, seed=0)
    assert Linear.name == "linear"


def test_the_same_input_gives_the_same_score() -> None:
    data = problem(1, spread=2.0)
    torch.manual_seed(1)
    one = Linear().score(*data).score
    torch.manual_seed(2)
    assert Linear().score(*data).score == one
    with torch.no_grad():
        assert Linear().score(*data).score == one
    with torch.inference_mode(False), torch.enable_grad():
        assert Linear().score(*(t.clone() for t in data[:4]), data[4]).score == one


def test_it_neither_reads_nor_changes_the_global_random_state() -> None:
    before = torch.random.get_rng_state()
    Linear(epochs=1).score(*problem(1))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_it_changes_nothing_it_is_given() -> None:
    data = problem(1)
    copies = [t.clone() for t in data[:4]]
    Linear(epochs=2).score(*data)
    assert all(torch.equal(t, copy) for t, copy in zip(data[:4], copies, strict=True))
    assert all(t.grad is None and not t.requires_grad for t in data[:4])


def test_what_is_separable_is_separated() -> None:
    assert Linear().score(*problem(2, spread=0.05)).score == 1.0


def test_random_labels_are_scored_by_chance() -> None:
    generator = torch.Generator().manual_seed(0)
    items = torch.randn(3000, 8, generator=generator)
    labels = torch.randint(10, (3000,), generator=generator)
    assert (
        abs(Linear(epochs=20).score(items[:1000], labels[:1000], items[1000:], labels[1000:], 10).score - 0.1)
        < 0.03
    )


def test_a_better_feature_scores_better() -> None:
    scores = [Linear().score(*problem(3, spread=spread, test=500)).score for spread in (0.3, 1.5, 5.0)]
    assert scores[0] > scores[1] > scores[2]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int64])
def test_features_of_any_type_are_read(dtype: torch.dtype) -> None:
    train_x, train_y, test_x, test_y, classes = problem(4, spread=0.3)
    rounded = [(10 * x).to(dtype) for x in (train_x, test_x)]
    expected = Linear().score(rounded[0].float(), train_y, rounded[1].float(), test_y, classes).score
    assert Linear().score(rounded[0], train_y, rounded[1], test_y, classes).score == expected > 0.9


def test_a_class_without_training_items_is_never_right() -> None:
    train_x, train_y, test_x, _, _ = problem(5)
    assert Linear(epochs=20).score(train_x, train_y, test_x, torch.full((97,), 5), 6).score == 0.0


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 5), st.integers(1, 4))
@settings(max_examples=30)
def test_any_shape_gives_a_share_of_the_test_items(train: int, test: int, width: int, classes: int) -> None:
    generator = torch.Generator().manual_seed(train)
    train_y, test_y = (torch.randint(classes, (n,), generator=generator) for n in (train, test))
    items = torch.randn(train + test, width, generator=generator)
    score = Linear(epochs=2).score(items[:train], train_y, items[train:], test_y, classes).score
    assert round(score * test) == pytest.approx(score * test)
    assert 0 <= score <= 1


@pytest.mark.parametrize(
    "settings_",
    [
        *({"learning_rate": rate} for rate in (0, -1, float("nan"), float("inf"))),
        {"epochs": 0},
        {"batch_size": 0},
        {"batch_size": -1},
    ],
)
def test_settings_that_train_nothing_are_refused(settings_: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="must be positive"):
        Linear(**settings_)
