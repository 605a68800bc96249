"""The scores that searches are compared with are the definitions', and tell one set of labels from another."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch

from alsatian.data.dataset import Dataset
from tests.proxies.test_definitions import logme
from tests.proxies.test_linear import reference
from tests.searching.tiny_search import ALSATIAN, BATCH, PROXY, Known, Modules, check, eager, features, few, search


def by_definition(modules: Modules, data: Dataset) -> dict[tuple[int, str], tuple[float, float]]:
    """Accuracy of a layer trained by plain SGD, and the evidence of LogME's authors, for every model and amount."""
    test, train = data.batches(BATCH, len(modules))
    found = {}
    for model, module in modules.items():
        test_x, test_y = features(module, data, test), torch.from_numpy(data.labels(test))
        for count in range(1, len(train) + 1):
            x, y = features(module, data, train[:count]), data.labels(train[:count])
            accuracy = reference(PROXY, (x, torch.from_numpy(y), test_x, test_y, data.classes))
            found[len(y), model] = (accuracy, logme(x.double().numpy(), y, data.classes))
    return found


def shuffled(data: Dataset, seed: int) -> Dataset:
    """The same items, each with the label of another."""
    draw = np.random.default_rng(seed)
    train, test = draw.permutation(data.train_labels), draw.permutation(data.test_labels)
    return dataclasses.replace(data, train_labels=train, test_labels=test)


def test_they_are_what_the_definitions_say(modules: Modules, truth: Known) -> None:
    expected = by_definition(modules, few())
    assert expected.keys() == truth.keys()
    for key, (scores, _) in truth.items():
        assert scores == pytest.approx(expected[key], rel=1e-5), key


@pytest.mark.parametrize("seed", range(5))
def test_other_labels_give_other_scores(modules: Modules, truth: Known, seed: int) -> None:
    other = eager(modules, shuffled(few(), seed))
    for key, (scores, digest) in truth.items():
        assert other[key][0] != scores
        assert other[key][1] == digest  # of the features, which know no labels


def test_models_and_amounts_of_data_differ_in_their_scores(truth: Known) -> None:
    """But for the twins, which are one model."""
    apart = {key: scores for key, (scores, _) in truth.items() if key[1] != "twin"}
    assert len(set(apart.values())) == len(apart) == 20
    assert all(0 not in scores for scores in apart.values())


def test_a_search_with_shuffled_labels_is_noticed(family: Callable[..., object], truth: Known) -> None:
    with pytest.raises(AssertionError):
        check(search(family, shuffled(few(), 0), ALSATIAN), truth)
