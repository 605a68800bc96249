"""The linear proxy is what it says, for everyone, every time, in any company."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, linear, one_hot

from alsatian.errors import ConfigError
from alsatian.proxies import linear as module
from alsatian.proxies.arrays import one_torch_thread
from alsatian.proxies.base import Evaluation, score_each
from alsatian.proxies.linear import Linear

Problem = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, int]


def problem(seed: int, spread: float = 1.0, train: int = 150, test: int = 97, width: int = 12) -> Problem:
    """Items around the centres of five classes; a larger spread is harder to tell apart."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(5, width, generator=generator)
    labels = torch.randint(5, (train + test,), generator=generator)
    items = centres[labels] + spread * torch.randn(train + test, width, generator=generator)
    return items[:train], labels[:train], items[train:], labels[train:], 5


def trained(proxy: Linear, data: Problem) -> tuple[torch.Tensor, torch.Tensor]:
    """The same in as few words as possible: plain SGD on a weight (C, D) and a bias (C,)."""
    train_x, train_y, _, _, classes = data
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
    return weight, bias


def reference(proxy: Linear, data: Problem) -> float:
    return float((linear(data[2], *trained(proxy, data)).argmax(1) == data[3]).float().mean())


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


FORMS = ("_train", "_train_by_products")


def layers(
    proxy: Linear, form: str, features: list[torch.Tensor], labels: torch.Tensor, share: list[int]
) -> list[torch.Tensor]:
    """Weight and bias (C, D + 1) of each model of ``share``, which train together in one ``form``."""
    for other in FORMS:
        object.__setattr__(proxy, other, getattr(proxy, form))
    weights, biases = proxy._train_share(features, one_hot(labels, int(labels.max()) + 1).T.float(), share)
    return list(torch.cat([weights, biases], 2))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("batch_size", [50, 128])
@pytest.mark.parametrize(("items", "width"), [(10, 97), (37, 64), (150, 64), (129, 12), (300, 33)])
@pytest.mark.parametrize("classes", [2, 3, 7, 37])
def test_a_layer_does_not_depend_on_the_company(
    form: str, items: int, width: int, classes: int, batch_size: int
) -> None:
    """To the bit, at sizes at which memory of several models is not aligned by itself."""
    generator = torch.Generator().manual_seed(items)
    features = [torch.randn(items, width, generator=generator) for _ in range(7)]
    labels = torch.arange(items) % min(classes, items)

    def train(share: list[int]) -> list[torch.Tensor]:
        with one_torch_thread():
            return layers(Linear(epochs=3, batch_size=batch_size), form, features, labels, share)

    alone = [train([number])[0] for number in range(7)]
    for share in ([0, 1, 2, 3, 4, 5, 6], [6, 1, 3], [2, 5]):
        for number, layer in zip(share, train(share), strict=True):
            assert torch.equal(layer, alone[number])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "proxy", [Linear(epochs=20), Linear(epochs=20, batch_size=16), Linear(epochs=9, batch_size=7)], ids=str
)
def test_both_forms_train_the_same_layer(form: str, proxy: Linear) -> None:
    data = problem(3, spread=2.0)
    (layer,) = layers(dataclasses.replace(proxy), form, [data[0]], data[1], [0])
    weight, bias = trained(proxy, data)
    torch.testing.assert_close(layer, torch.cat([weight, bias[:, None]], 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("items", "width", "form"), [(40, 64, FORMS[1]), (400, 64, FORMS[0])])
def test_few_items_train_by_their_products(
    items: int, width: int, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []
    for name in FORMS:
        monkeypatch.setattr(Linear, name, lambda *_, name=name: taken.append(name))
    Linear().score(*problem(0, train=items, width=width))
    assert taken == [form]


def several() -> tuple[list[Problem], list[Evaluation]]:
    """Models of two feature sizes on the same items, and what each is scored alone."""
    problems = [problem(seed, spread=2.0, width=(12, 20)[seed % 2]) for seed in range(5)]
    labels = problems[0][1], problems[0][3]
    problems = [(train_x, labels[0], test_x, labels[1], 5) for train_x, _, test_x, _, _ in problems]
    return problems, [Linear(epochs=9).score(*data) for data in problems]


@pytest.mark.parametrize("share_bytes", [1, 3 * 4 * 150 * 12, 1 << 20])
@pytest.mark.parametrize("threads", [1, 2])
def test_models_score_together_what_each_does_alone(
    share_bytes: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems, alone = several()
    monkeypatch.setattr(module, "_SHARE_BYTES", share_bytes)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        train_x, _, test_x, _, _ = zip(*problems, strict=True)
        together = score_each(Linear(epochs=9), train_x, problems[0][1], test_x, problems[0][3], 5)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert [found.score for found in together] == [found.score for found in alone]
    assert all(np.array_equal(found.outcomes, other.outcomes) for found, other in zip(together, alone, strict=True))
    assert len({found.score for found in alone}) > 1


def test_kernels_run_on_one_thread_whoever_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products on two threads would round in another order."""
    problems, _ = several()
    monkeypatch.setattr(module, "_SHARE_BYTES", 1)
    threads: list[int] = []
    for form in FORMS:
        monkeypatch.setattr(Linear, form, lambda *_: threads.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        score_each(
            Linear(),
            [data[0] for data in problems],
            problems[0][1],
            [data[2] for data in problems],
            *problems[0][3:],
        )
    finally:
        torch.set_num_threads(before)
    assert threads == [1] * len(problems)


def test_a_proxy_has_to_score_every_model() -> None:
    class Lazy(Linear):
        def score_together(self, *given: Any) -> list[Evaluation]:
            return super().score_together(*given)[1:]

    problems, _ = several()
    with pytest.raises(ConfigError, match="proxy linear returned 1 scores of 2 models together"):
        score_each(
            Lazy(epochs=1),
            [data[0] for data in problems[:2]],
            problems[0][1],
            [data[2] for data in problems[:2]],
            *problems[0][3:],
        )
