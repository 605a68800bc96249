"""What ``alsatian.search`` returns: a table, the best model, its features, and models to go on with."""

import copy
import gc
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import binomtest, weightedtau

import alsatian
from alsatian.data.dataset import make_dataset
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import ConfigError, StoreError
from alsatian.fingerprint import features_fingerprint
from alsatian.proxies.base import Evaluation
from alsatian.proxies.logistic import Logistic
from alsatian.ranking.result import Ranking
from alsatian.records import ranking as records
from tests.ranking.conftest import IDS, pictures


def last_round(found: Ranking, model: str) -> int:
    return max(i for i, one in enumerate(found.rounds) if model in one.scores)


def test_one_row_a_model_best_first(found: Ranking) -> None:
    table = found.ranking
    assert list(table.index) == list(range(1, len(IDS) + 1))
    assert tuple(table["model"]) == found.ranked
    assert found.best == table["model"].iloc[0] == found.winner
    keys = [(-row.round, -row.score) for row in table.itertuples()]
    assert keys == sorted(keys)
    for row in table.itertuples():
        one = found.rounds[row.round - 1]
        assert row.round - 1 == last_round(found, row.model)
        assert (row.score, row.train_items) == (one.scores[row.model], one.train_items)
        assert {name: getattr(row, name) for name in ("logme", "knn")} == {
            name: one.further[name][row.model] for name in ("logme", "knn")
        }


def test_the_standard_error_is_that_of_a_share(found: Ranking) -> None:
    items = len(found.dataset.test_items)
    for row in found.record.ranked:
        assert row.standard_error == pytest.approx(math.sqrt(row.score * (1 - row.score) / items))


def test_ties_are_those_of_mcnemars_test(found: Ranking) -> None:
    one = found.rounds[-1]
    best = np.array(one.outcomes[found.best])
    for row in found.record.ranked[1:]:
        if row.model not in one.scores:
            assert not row.tied
            continue
        other = np.array(one.outcomes[row.model])
        b, c = int(((best == 1) & (other == 0)).sum()), int(((best == 0) & (other == 1)).sum())
        assert row.tied == (b + c == 0 or binomtest(b, b + c).pvalue > 0.05)


def test_models_with_the_same_blocks_are_equal(found: Ranking) -> None:
    rows = {row.model: row for row in found.record.ranked}
    first, second = sorted((rows["aaaa"], rows["twin"]), key=lambda row: row.place)
    assert second.place == first.place + 1
    assert second.equal
    assert not first.equal or rows[found.ranked[first.place - 2]].score == first.score


def test_agreement_is_weighted_kendalls_tau_of_places(found: Ranking) -> None:
    table = found.ranking.reset_index()
    for pair in found.record.agreement:
        places = [
            table.sort_values(["round", "score" if name == "logistic" else name], kind="stable")
            .assign(key=lambda t, n=name: list(zip(t["round"], t["score" if n == "logistic" else n], strict=True)))
            .set_index("model")["key"]
            for name in pair.proxies
        ]
        ranks = [series.rank(method="dense").reindex(table["model"]) for series in map(_numbered, places)]
        assert pair.tau == pytest.approx(weightedtau(*ranks).statistic)
    assert len(found.record.agreement) == 3


def test_one_score_for_all_agrees_with_nothing(tiny: Callable[[str], torch.nn.Module]) -> None:
    """Kendall's tau divides by the number of pairs that a ranking tells apart."""

    class Same(Logistic):
        name: ClassVar[str] = "same"

        def score(self, *given: object, **named: object) -> Evaluation:
            return Evaluation(1.0)

    result = alsatian.search(
        {name: tiny(name) for name in ("aaaa", "bbbb")}, pictures(), preprocessing={"size": 8},
        proxies=["logme", Same()], batch_size=16, schedule="exhaustive",
    )  # fmt: skip
    assert [pair.tau for pair in result.record.agreement] == [None]


def _numbered(keys: "pd.Series[tuple[int, float]]") -> "pd.Series[int]":
    order = sorted(set(keys))
    return keys.map(order.index)


def test_work_without_sharing_is_every_model_on_its_own(found: Ranking) -> None:
    items = {row.model: row.train_items + len(found.dataset.test_items) for row in found.record.ranked}
    blocks = {candidate.id: len(candidate.blocks) for candidate in found.models.candidates}
    work = found.record.work
    assert work.alone == sum(blocks[model] * count for model, count in items.items())
    assert work.block_items == found.measurement.counters["block_items"] < work.alone
    assert 0 < work.saved < 1


@pytest.mark.parametrize("model", ["aabb", None])
def test_features_are_those_that_were_scored(found: Ranking, model: str | None) -> None:
    features = found.features(model)
    one = found.rounds[-1]
    name = model or found.best
    if name in one.fingerprints and one.train_items == len(found.dataset.train_items):
        assert features_fingerprint([features["train_x"], features["test_x"]]) == one.fingerprints[name]
    assert torch.equal(features["train_y"], torch.from_numpy(found.dataset.train_labels))
    module = found.load(name)
    batches = found.dataset.batches(found.batch_size)[1]
    with torch.no_grad():
        own = [module(*module.preprocessing(found.dataset.items(batch))).flatten(1) for batch in batches]
    assert torch.equal(torch.cat(own), features["train_x"])


def test_a_model_to_fine_tune_learns(found: Ranking) -> None:
    module, data = found.load(classes=3), found.dataset
    assert module.training
    assert all(parameter.requires_grad for parameter in module.parameters())
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    x, y = module.preprocessing(data.train_items)[0], torch.from_numpy(data.train_labels)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(module(x), y)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]


def test_what_is_fine_tuned_is_a_copy(found: Ranking) -> None:
    before = found.features("aabb")["test_x"]
    with torch.no_grad():
        for parameter in found.load("aabb", classes=2).parameters():
            parameter.add_(1)
    assert torch.equal(found.features("aabb")["test_x"], before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda found: found.load("aaba"), r"there is no model 'aaba' in this search; did you mean 'aa[ab]"),
        (lambda found: found.features("x"), "there is no model 'x'"),
        (lambda found: found.load(classes=0), "classes=0: must be a whole number of at least 1"),
        (lambda found: found.load(classes=2.0), "classes=2.0"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(found: Ranking, call: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        call(found)  # type: ignore[operator]
    assert "\n" not in str(error.value)


def test_notebooks_and_consoles_show_the_winner(found: Ranking) -> None:
    assert repr(found).startswith(f"<Ranking of 6 models by logistic, logme, knn: best {found.best} (logistic ")
    assert all(f">{name}<" in found._repr_html_() for name in IDS)


def test_a_model_that_cannot_be_used_comes_last_with_the_reason(tiny) -> None:  # type: ignore[no-untyped-def]
    broken = tiny("aaaa")
    with torch.no_grad():
        broken[0][0].weight.fill_(float("nan"))
    result = alsatian.search(
        {"good": tiny("aabb"), "bad": broken},
        pictures(),
        preprocessing=ImagePreprocessing(8),
        batch_size=8,
        on_bad_model="exclude",
    )
    last = result.record.ranked[-1]
    assert (last.model, last.score, last.round) == ("bad", None, 0)
    assert "not finite" in str(last.failed)
    with pytest.raises(ConfigError, match=r"model 'bad' could not be used: .*not finite"):
        result.load("bad")


@pytest.fixture
def copied(request: pytest.FixtureRequest, tiny: Callable[[str], torch.nn.Module]) -> Ranking:
    """A copy of a result that is gone."""
    models = {name: tiny(name) for name in ("aaaa", "aabb")}
    return request.param(alsatian.search(models, pictures(18), preprocessing={"size": 8}, batch_size=8))  # type: ignore[no-any-return]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy], indirect=True)
def test_copies_keep_what_they_need(copied: Ranking) -> None:
    gc.collect()
    assert len(copied.features()["train_x"]) == len(copied.dataset.train_items)


@pytest.mark.parametrize("copied", [lambda result: pickle.loads(pickle.dumps(result))], indirect=True)
def test_a_result_from_another_process_has_its_ranking(copied: Ranking, tmp_path: Path) -> None:
    """Modules travel with it, but not the temporary folder with their blocks."""
    gc.collect()
    assert tuple(copied.ranking["model"]) == copied.ranked
    assert copied.report(tmp_path / "page.html").exists()
    assert copied.load(classes=2).training
    with pytest.raises(StoreError, match="the folder of the models is gone; search with store=FOLDER to keep it"):
        copied.features()


@pytest.mark.parametrize(("items", "given"), [(2, True), (1, False)])
def test_one_test_item_has_no_standard_error(items: int, given: bool) -> None:
    assert (Evaluation(1.0, np.ones(items)).standard_error is not None) == given


class Named(Logistic):
    """A proxy of somebody's own."""

    def __init__(self, value: object, name: str = "own") -> None:
        object.__setattr__(self, "value", value)
        object.__setattr__(self, "name", name)

    def score(self, *given: object, **named: object) -> Evaluation:
        return self.value  # type: ignore[attr-defined,no-any-return]


class Unnamed:
    def score(self, *given: object) -> float:
        return 0.25


@pytest.mark.parametrize(
    ("proxy", "message"),
    [
        (Named("good"), r"a proxy returned 'good'; a number or an Evaluation is expected"),
        (Named(None), "a proxy returned a value of type NoneType"),
        (Named(0.5, "score"), "proxies: 'score' is a column of every ranking; give the proxy another name"),
        (Named(0.5, "model"), "proxies: 'model' is a column of every ranking"),
    ],
)
def test_proxies_that_give_no_column_are_refused(
    tiny: Callable[[str], torch.nn.Module], proxy: Named, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        alsatian.search({"a": tiny("aaaa")}, pictures(12), preprocessing={"size": 8}, proxies=["logistic", proxy])


def test_a_proxy_without_a_name_is_called_by_its_class(tiny: Callable[[str], torch.nn.Module]) -> None:
    found = alsatian.search({"a": tiny("aaaa")}, pictures(12), preprocessing={"size": 8}, proxies=Unnamed())
    assert (found.proxy_names, found.record.ranked[0].score, found.warnings) == (("Unnamed",), 0.25, ())
    data = make_dataset("own", np.zeros((9, 8, 8), np.uint8), np.arange(9) / 2, label_kind="numbers")
    with pytest.raises(ConfigError, match="Unnamed: the labels are numbers, and it takes classes"):
        alsatian.search({"a": tiny("aaaa")}, data, preprocessing={"size": 8}, proxies=Unnamed())


def test_the_record_is_what_the_file_holds(found: Ranking) -> None:
    assert records.Ranking.of(found.record.plain()) == found.record
