"""The study of rankings: its measures by their definitions, its searches against real ones, its page."""

import dataclasses
import itertools
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from alsatian.api import search
from alsatian.blocks.candidate import ArchitectureSpec
from alsatian.data.dataset import Dataset, batches_of
from alsatian.data.digits import digits
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.models.model_set import ModelSet
from alsatian.models.reading.architectures import architecture, build
from alsatian.models.storing import add_module
from alsatian.proxies.base import Evaluation
from alsatian.proxies.named import named
from alsatian.records import FineTune, Tuning
from alsatian.searching.confident import Confident
from alsatian.searching.schedules import Exhaustive, Halving, PaperHalving, Schedule
from alsatian.searching.strategy import Strategy
from alsatian.store.store import BlockStore
from experiments.configuration.composition import cells
from experiments.groundtruth import truth as groundtruth
from experiments.studies.ranking_quality import TARGETS, Target
from experiments.studies.ranking_quality.comparison import SCHEDULES, compare, controls, quality
from experiments.studies.ranking_quality.measures import drawn_orders, order, pearson, regret, weighted_tau
from experiments.studies.ranking_quality.page import RANDOM, REPEATED, SIZE, page
from experiments.studies.ranking_quality.scoring import Bench, Split, features, play, train_batches
from tests.experiments.studies.conftest import Study, Written

PREPROCESSING = ImagePreprocessing(16)
OPTIONS = {"image_size": 16, "patch_size": 8, "num_layers": 1, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 8}
SPEC = ArchitectureSpec("torchvision", "VisionTransformer", OPTIONS)
TRUTH = np.array([0.5, 0.9, 0.7, 0.6])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    """Six small transformers."""
    store, built = BlockStore(tmp_path_factory.mktemp("store")), architecture(SPEC, PREPROCESSING)
    for seed in range(6):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            add_module(store, f"m{seed}", build(SPEC, PREPROCESSING), built, SPEC, PREPROCESSING)
    return ModelSet.open(store, [f"m{seed}" for seed in range(6)])


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return digits(items=200, test_share=0.2)


def test_weighted_tau_is_what_its_definition_says() -> None:
    """The sum of w_i + w_j over pairs in the same order, minus that over others, over that of all pairs."""
    rng = np.random.default_rng(0)
    for count in (2, 5, 9):
        truth, scores = rng.normal(size=(2, count))
        weights = np.empty(count)
        weights[np.argsort(-truth)] = 1 / np.arange(1, count + 1)
        pairs = list(itertools.combinations(range(count), 2))
        signs = [np.sign(truth[i] - truth[j]) * np.sign(scores[i] - scores[j]) for i, j in pairs]
        both = [weights[i] + weights[j] for i, j in pairs]
        expected = np.dot(signs, both) / np.sum(both)
        assert weighted_tau(truth, scores) == pytest.approx(expected, abs=1e-12)


def test_correlations_at_their_limits() -> None:
    for correlation in (weighted_tau, pearson):
        assert correlation(TRUTH, 2 * TRUTH - 3) == pytest.approx(1)
        assert correlation(TRUTH, -TRUTH) == pytest.approx(-1)
        assert math.isnan(correlation(TRUTH, np.full(4, 0.3)))
        assert math.isnan(correlation(np.full(4, 0.3), TRUTH))
    unscored = np.array([-math.inf, 3.0, 2.0, 1.0])
    assert weighted_tau(TRUTH, unscored) == pytest.approx(1)
    assert math.isnan(pearson(TRUTH, unscored))


def test_a_mistake_at_the_top_counts_more() -> None:
    top, bottom = np.array([0.5, 0.7, 0.9, 0.6]), np.array([0.6, 0.9, 0.7, 0.5])
    assert weighted_tau(TRUTH, top) < weighted_tau(TRUTH, bottom) < 1


def test_regret_is_in_points_of_accuracy() -> None:
    ranking = order(np.array([0.3, 0.1, 0.2, 0.3]))
    assert list(ranking) == [0, 3, 2, 1]  # ties as given
    assert [regret(TRUTH, ranking, count) for count in (1, 2, 3, 4)] == pytest.approx([40, 30, 20, 0])


def test_drawn_orders_keep_to_the_scores_and_draw_the_rest() -> None:
    drawn = drawn_orders(np.array([1.0, 2.0, 1.0, 3.0]), seed=0)
    assert (drawn[:, :2] == [3, 1]).all()
    assert np.mean(drawn[:, 2] == 0) == pytest.approx(0.5, abs=0.06)
    free = drawn_orders(np.zeros(4), seed=0)
    assert (np.sort(free) == np.arange(4)).all()
    for candidate in range(4):
        assert np.mean(free[:, 0] == candidate) == pytest.approx(0.25, abs=0.06)


def test_controls_are_what_can_be_expected() -> None:
    by_seed = np.stack([TRUTH, TRUTH, TRUTH], axis=1)
    rows = controls(by_seed, np.array([1, 9, 7, 7]))
    named_rows = {name: [row for row in rows if row["order"] == name] for name in (REPEATED, SIZE, RANDOM)}
    assert [row["tau"] for row in named_rows[REPEATED]] == pytest.approx([1, 1, 1])
    assert {row["regret_1"] for row in named_rows[REPEATED]} == {0}
    (size,), (anything,) = named_rows[SIZE], named_rows[RANDOM]
    assert (size["regret_1"], size["regret_3"]) == (0, 0)
    assert size["tau"] == weighted_tau(TRUTH, np.array([1, 9, 7, 7]))
    expected = 100 * np.mean(TRUTH.max() - TRUTH)
    assert anything["regret_1"] == pytest.approx(expected, rel=0.05)
    triples = [regret(TRUTH, three, 3) for three in itertools.permutations(range(4), 3)]
    assert anything["regret_3"] == pytest.approx(np.mean(triples), rel=0.15)
    assert anything["tau"] == pytest.approx(0, abs=0.1)
    assert not [row for row in controls(by_seed[:, :1], np.arange(4)) if row["order"] == REPEATED]


def test_candidates_of_one_size_are_in_no_order() -> None:
    (size,) = (row for row in controls(TRUTH[:, None], np.full(4, 5)) if row["order"] == SIZE)
    assert math.isnan(size["tau"])
    assert size["regret_1"] == pytest.approx(100 * np.mean(TRUTH.max() - TRUTH), rel=0.05)


@pytest.mark.parametrize("schedule", [*SCHEDULES, Halving(k=2), Confident(level=0.6)], ids=lambda one: one.name)
@pytest.mark.parametrize("proxy", ["linear", "knn", "logme"])
def test_a_schedule_finds_what_a_search_finds(
    models: ModelSet, dataset: Dataset, schedule: Schedule, proxy: str
) -> None:
    """The same ranking, from the same scores to the last digit."""
    labels = dataset.train_labels
    split = Split.of(labels, 3)
    train, test = ((dataset.train_items[part], labels[part]) for part in (split.train, split.test))
    inner = Dataset("inner", *train, *test, dataset.classes)
    found = search(models, inner, proxies=named(proxy), strategy=Strategy(schedule=schedule), batch_size=16)
    ids = [candidate.id for candidate in models.candidates]
    batches = train_batches(split, 16, len(ids))
    known = {}
    for name in ids:  # in the batches of that search
        known[name] = torch.empty(len(labels), 8)
        known[name][split.test] = features(models, name, test[0], 16)
        in_batches = [features(models, name, train[0][b.start : b.stop], 16) for b in batches]
        known[name][split.train] = torch.cat(in_batches)
    bench = Bench(named(proxy), split, known, labels, dataset.classes)
    played = play(schedule, ids, batches, bench)
    assert played.ranking == found.ranked
    for result in found.rounds:
        assert result.scores == {name: bench(name, result.train_items).score for name in result.scores}
    assert played.scored == sum(len(result.scores) * result.train_items for result in found.rounds)


def test_work_is_counted() -> None:
    train = batches_of(1, 12, 3)[1]
    scores = {"a": 4.0, "b": 3.0, "c": 2.0, "d": 1.0}
    played = play(Halving(), list(scores), train, lambda model, items: Evaluation(scores[model]))
    assert played.ranking == ("a", "b", "c", "d")
    assert played.scored == 4 * 6 + 2 * 12  # in two rounds, of 2 and of 4 batches
    assert played.extracted == 2 * 6 + 2 * 12
    whole = play(Exhaustive(), list(scores), train, lambda model, items: Evaluation(scores[model]))
    assert (whole.scored, whole.extracted) == (4 * 12, 4 * 12)
    last = play(PaperHalving(), ["a", "b", "c"], train, lambda model, items: Evaluation(scores[model]))
    assert last.scored == 3 * 6 + 1 * 12


def test_splits_divide_the_items_and_mix_the_classes(dataset: Dataset) -> None:
    first, second = (Split.of(dataset.train_labels, seed) for seed in (0, 1))
    assert sorted([*first.train, *first.test]) == list(range(160))
    assert len(first.test) == 40
    assert not np.array_equal(first.test, second.test)
    assert set(np.bincount(dataset.train_labels[first.test], minlength=10)) <= {3, 4, 5}


def test_candidates_without_score_rank_last(dataset: Dataset) -> None:
    @dataclasses.dataclass(frozen=True)
    class Half:
        """Not finite where features are 0."""

        name = "half"

        def score(self, train_x, *_):  # type: ignore[no-untyped-def]
            return float("nan") if not train_x.any() else float(train_x.mean())

    known = {"none": torch.zeros(160, 2), "some": torch.full((160, 2), -5.0)}
    bench = Bench(Half(), Split.of(dataset.train_labels, 0), known, dataset.train_labels, 10)
    assert play(Exhaustive(), list(known), batches_of(40, 120, 40)[1], bench).ranking == ("some", "none")
    assert bench.failed == {"none": "its score is not finite"}


def test_a_proxy_of_classifiers_is_given_each_candidates_own(dataset: Dataset) -> None:
    """One that tells the target's classes apart, and one that always says the same."""
    labels = dataset.train_labels
    known = {name: torch.nn.functional.one_hot(torch.from_numpy(labels), 10).float() for name in ("one", "other")}
    heads = {"one": lambda features: features.double(), "other": lambda features: torch.ones(len(features), 1)}
    bench = Bench(named("leep"), Split.of(labels, 0), known, labels, 10, heads)
    shares = np.bincount(labels[bench.split.train]) / 120
    assert bench("one", 120).score == 0
    assert bench("other", 120).score == pytest.approx((shares * np.log(shares)).sum())


def tuned(name: str, seed: int, accuracy: float, digest: str = "d") -> FineTune:
    return FineTune(
        model=name, digest=digest, parameters=1000, seed=seed, tried=(), learning_rate=0.1, accuracy=accuracy,
        seconds=1.0,
    )  # fmt: skip


def test_rows_of_a_target(models: ModelSet, dataset: Dataset) -> None:
    found = [tuned(f"m{i}", seed, (i + seed) / 10) for i in range(6) for seed in range(2)]
    heads = {f"m{i}": lambda features, i=i: torch.softmax(features[:, : i + 2].double(), dim=1) for i in range(6)}
    rows = compare(models, dataset, found, [named("knn"), named("leep")], splits=2, heads=heads)
    assert [row["accuracy"] for row in rows["candidates"]] == pytest.approx([i / 10 + 0.05 for i in range(6)])
    orders = [row["order"] for row in rows["rankings"]]
    assert orders == [REPEATED, REPEATED, SIZE, RANDOM, "knn", "knn", "leep", "leep"]
    assert [row["source_classes"] for row in rows["candidates"]] == [2, 3, 4, 5, 6, 7]
    assert len(rows["schedules"]) == 2 * 2 * 3
    for row in rows["schedules"]:
        assert 0 <= row["regret"] <= 50
        assert row["schedule"] != "exhaustive" or (row["lost"], row["extracted"], row["scored"]) == (0, 1, 1)
        assert row["schedule"] != "halving" or row["extracted"] < 1
    by_split = {(row["proxy"], row["split"], row["schedule"]): row for row in rows["schedules"]}
    for proxy, split in itertools.product(("knn", "leep"), range(2)):
        halving, confident = (by_split[proxy, split, name] for name in ("halving", "confident"))
        assert confident["extracted"] >= halving["extracted"]


TUNING = Tuning(epochs=2, learning_rates=(1e-4, 1e-3), held_out=0.2, batch_size=32, threads=1, device="cpu")


def frames(
    rankings: list[dict[str, object]], source_classes: tuple[int | None, ...] = (None, None)
) -> dict[str, pd.DataFrame]:
    """Of one target, with these rankings, of two candidates whose classifiers know so many classes."""
    candidates = [
        {
            "target": "digits", "model": f"m{i}", "parameters": (1 + i) * 1_000_000, "accuracy": 0.5 + i / 10,
            "lowest": 0.49 + i / 10, "highest": 0.51 + i / 10, "seeds": 2, "train_items": 80, "test_items": 320,
            "classes": 10, "source_classes": classes,
        }
        for i, classes in enumerate(source_classes)
    ]  # fmt: skip
    schedules = [
        {
            "target": "digits", "proxy": "knn", "split": split, "schedule": name, "regret": 2.0, "lost": lost,
            "extracted": work, "scored": 2 * work,
        }
        for name, work, losses in (("exhaustive", 1, (0, 0)), ("halving", 0.25, (4, 0)), ("confident", 0.5, (1, 0)))
        for split, lost in enumerate(losses)
    ]  # fmt: skip
    return {
        "candidates": pd.DataFrame(candidates),
        "rankings": pd.DataFrame(rankings),
        "schedules": pd.DataFrame(schedules),
    }


def test_the_page_shows_medians_with_their_range() -> None:
    rankings = [
        {"target": "digits", "order": "knn", "split": i, "tau": t, "pearson": 0.5, "regret_1": lost, "regret_3": 0}
        for i, (t, lost) in enumerate([(0.2, 3.0), (0.4, 1.0), (0.9, 2.0)])
    ]
    made = page(frames(rankings), {"digits": TUNING}, {"digits": "None is kept"})
    text = " ".join("\n".join(made.blocks).split())
    assert "Without proxies that need a classifier: digits. None is kept." in text
    assert "`nce`" not in text
    assert "| `halving` | 2 | 2.00 | 2.00 | 4.00 | 50% | 25% | 50% |" in text
    assert "| `knn` | 0.50 | 0.50 | 2.00 | 0.00 |" in text  # means
    assert "| `knn` | 0.40 (0.20–0.90) | 0.50 (0.50–0.50) | 2.00 (1.00–3.00) | 0.00 (0.00–0.00) |" in text
    assert "| `knn` | 2.00 (0.00–4.00) | 25 (25–25) | 0.50 (0.00–1.00) | 50 (50–50) |" in text
    assert "2 candidates of 1.0 or 2.0 million parameters; 10 classes, 80 training items and 320 test" in text
    assert "differ by 2.0 points (median)" in text
    text = "".join(page(frames(rankings, (4, 7)), {"digits": TUNING}, {}).blocks)
    assert "on a task of its own: for the candidates of digits (4 to 7 classes)." in text
    assert "Without proxies" not in text
    assert made.data is not None
    assert list(made.data["kind"].value_counts().sort_index()) == [2, 3, 6]


def test_a_mean_over_targets_needs_all_of_them() -> None:
    rankings = [
        {"target": target, "order": "knn", "split": 0, "tau": tau, "pearson": 0.5, "regret_1": 1.0, "regret_3": 0.0}
        for target, tau in (("digits", 0.75), ("docstrings", math.nan))
    ]
    rankings.append({**rankings[0], "order": "leep", "regret_1": 2.0})
    text = " ".join("\n".join(page(frames(rankings), {"digits": TUNING}, {}).blocks).split())
    assert "| `leep` | | | | |" in text
    assert "| `knn` | | 0.50 | 1.00 | 0.00 |" in text
    assert "| `knn` | 0.75 | 0.50 | 1.00 | 0.00 |" in text  # of digits


@pytest.mark.parametrize(("taus", "doubted"), [((0.6, 0.4, 0.9), False), ((0.2, 0.4, 0.9), True)])
def test_a_truth_that_seeds_disagree_on_is_doubted(taus: tuple[float, ...], doubted: bool) -> None:
    """By the median."""
    rankings = [
        {
            "target": "digits",
            "order": REPEATED,
            "split": i,
            "tau": t,
            "pearson": 0.5,
            "regret_1": 1.0,
            "regret_3": 0.0,
        }
        for i, t in enumerate(taus)
    ]
    text = "".join(page(frames(rankings), {"digits": TUNING}, {}).blocks)
    assert ("Seeds disagree" in text) == doubted


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Fine-tunes that take no time; the names of the models that were asked for."""
    asked: list[str] = []

    def fine_tune(models: ModelSet, name: str, dataset: Dataset, tuning: Tuning, seed: int) -> FineTune:
        asked.append(name)
        return tuned(name, seed, (int(name[-1]) + seed) / 10, groundtruth.model_digest(models, name))

    monkeypatch.setattr(groundtruth, "fine_tune", fine_tune)
    return asked


@pytest.mark.xdist_group("cli")
def test_a_page_is_written_and_fine_tunes_are_kept(
    study: Study,
    written: Written,
    store: Path,
    tmp_path: Path,
    made_up: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With models that other tests have trained already."""
    words = ("model_set=digits_finetunes", "dataset=digits", "dataset.test_share=0.7")
    known = Target(words, {"dataset.items": (1200, 150)})
    monkeypatch.setitem(TARGETS, "digits", known)  # type: ignore[arg-type]
    asked = ("ranking_quality", "--ci", "--targets", "digits", "--proxies", "knn,leep", "--seeds", 2)
    more = ("--splits", 2, "--store", store, "--results", tmp_path / "results")
    assert study(*asked, *more) == 0
    assert len(made_up) == 2 * 4
    text = written("ranking_quality.md")
    assert "4 candidates of 0.0 million parameters; 10 classes, 45 training items and 105 test items." in text
    assert "on a task of its own: for the candidates of digits (" in text
    frame = pd.read_csv(tmp_path / "pages" / "ranking_quality.csv")
    assert dict(frame["kind"].value_counts()) == {
        "candidates": 4,
        "rankings": 2 + 2 + 2 * 2,
        "schedules": 2 * 2 * 3,
    }
    assert study(*asked, *more) == 0
    assert len(made_up) == 2 * 4


@pytest.mark.xdist_group("cli")
def test_candidates_without_classifiers_are_ranked_by_the_other_proxies(
    study: Study,
    written: Written,
    store: Path,
    tmp_path: Path,
    made_up: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ("model_set=synthetic", "dataset=digits", "dataset.test_share=0.7")
    monkeypatch.setitem(TARGETS, "digits", Target(words, {"dataset.items": (1200, 150)}))  # type: ignore[arg-type]
    asked = ("ranking_quality", "--ci", "--targets", "digits", "--seeds", 1, "--splits", 1)
    more = ("--store", store, "--results", tmp_path / "results")
    assert study(*asked, "--proxies", "leep,nce", *more) == 1
    why = "4 models have no classifier of their own, which leep and nce need:"
    assert f"--proxies leep,nce: digits: {why}" in capsys.readouterr().err
    assert not made_up
    assert study(*asked, "--proxies", "knn,leep", *more) == 0
    text = written("ranking_quality.md")
    assert f"Without proxies that need a classifier: digits. {why} model 'synthetic-" in text
    assert "synthetic models are made without classifiers.\n" in text
    assert "`leep`" not in text


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("name", TARGETS)
def test_every_target_is_on_the_menu(name: str, small: bool) -> None:
    target = TARGETS[name]
    (cell,) = cells(target.overrides(small))
    assert cell.config.dataset.test_share >= 0.7
    assert cell.config.dataset["items"] == target.sizes["dataset.items"][small]
    assert target.tuning(small).learning_rates == target.rates


@pytest.mark.slow
def test_the_smallest_size_of_all_targets(study: Study, written: Written, store: Path, tmp_path: Path) -> None:
    more = ("--splits", 1, "--seeds", 1, "--store", store, "--results", tmp_path / "results")
    assert study("ranking_quality", "--ci", *more) == 0
    text = written("ranking_quality.md")
    for target in TARGETS:
        assert f"## {target.capitalize()}" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--targets", "digit"), "--targets digit: there is no 'digit'; did you mean 'digits'?"),
        (("--proxies", "knn,liner"), "--proxies knn,liner: there is no 'liner'; did you mean 'linear'?"),
        (("--seeds", "0"), "--seeds and --splits must be at least 1"),
        (("--splits", "0"), "--seeds and --splits must be at least 1"),
    ],
)
def test_words_that_mean_nothing_end_in_one_line(
    study: Study, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study("ranking_quality", *words) == 1
    assert said in capsys.readouterr().err


def test_quality_of_an_order() -> None:
    assert quality(TRUTH, TRUTH) == pytest.approx({"tau": 1, "pearson": 1, "regret_1": 0, "regret_3": 0})
