"""Ground truth: learnt from training items alone, repeatable, and going on where it was broken off."""

import dataclasses
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from alsatian.blocks.candidate import ArchitectureSpec
from alsatian.data.dataset import Dataset, make_dataset
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import BadModelError, ConfigError, StoreError
from alsatian.files import claimed
from alsatian.models.model_set import ModelSet
from alsatian.models.reading.architectures import architecture, build
from alsatian.models.sets.training import using_threads
from alsatian.models.storing import add_module
from alsatian.records import FineTune, GroundTruth, Tuning
from alsatian.store.store import BlockStore
from experiments.groundtruth import truth
from experiments.groundtruth.fine_tune import fine_tune
from experiments.runs.progress import Progress

PREPROCESSING = ImagePreprocessing(16)
OPTIONS = {"image_size": 16, "patch_size": 8, "num_layers": 1, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 8}
SPEC = ArchitectureSpec("torchvision", "VisionTransformer", OPTIONS)
TUNING = Tuning(epochs=4, learning_rates=(1e-9, 3e-2), held_out=0.25, batch_size=16, threads=1, device="cpu")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    """Three small transformers."""
    store, built = BlockStore(tmp_path_factory.mktemp("store")), architecture(SPEC, PREPROCESSING)
    for seed in range(3):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            add_module(store, f"m{seed}", build(SPEC, PREPROCESSING), built, SPEC, PREPROCESSING)
    return ModelSet.open(store, ["m0", "m1", "m2"])


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Dark and bright images, which every network tells apart that learns at all."""
    rng = np.random.default_rng(0)
    labels = np.arange(96) % 2
    images = (labels[:, None, None] * 120 + rng.integers(0, 100, (96, 8, 8))).astype(np.uint8)
    return make_dataset("brightness", images, labels, test_share=0.4)


def facts(found: FineTune) -> dict[str, Any]:
    """All that has to be the same when it is done again."""
    return found.model_dump(exclude={"seconds"})


Measure = Callable[..., truth.Outcome]


@pytest.fixture
def measure(models: ModelSet, dataset: Dataset, tmp_path: Path) -> Measure:
    def call(output: io.StringIO | None = None, **changes: Any) -> truth.Outcome:
        given = {"models": models, "dataset": dataset, "tuning": TUNING, "seeds": 1, "folder": tmp_path, **changes}
        with Progress(Console(file=output or io.StringIO())) as progress:
            return truth.measure(progress=progress, command="alsatian groundtruth", **given)

    return call


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Fine-tunes that were done, by model and seed; they are made up, and take no time."""
    done: list[tuple[str, int]] = []

    def made_up(models: ModelSet, name: str, dataset: Dataset, tuning: Tuning, seed: int) -> FineTune:
        done.append((name, seed))
        return FineTune(
            model=name, digest=truth.model_digest(models, name), parameters=1, seed=seed, tried=(),
            learning_rate=tuning.learning_rates[0], accuracy=(int(name[1]) + seed) / 10, seconds=1.0,
        )  # fmt: skip

    monkeypatch.setattr(truth, "fine_tune", made_up)
    return done


def test_a_candidate_learns_with_the_rate_that_held_out_items_choose(models: ModelSet, dataset: Dataset) -> None:
    found = fine_tune(models, "m1", dataset, TUNING, 0)
    still, learning = found.tried
    assert learning.accuracy > 0.9 > still.accuracy
    assert found.learning_rate == 3e-2
    assert found.accuracy > 0.9
    assert found.parameters == sum(p.numel() for p in build(SPEC, PREPROCESSING).parameters())
    assert found.digest == truth.model_digest(models, "m1") != truth.model_digest(models, "m0")


def test_of_equal_rates_the_first_is_taken(models: ModelSet, dataset: Dataset) -> None:
    tuning = TUNING.model_copy(update={"learning_rates": (1e-10, 1e-9, 1e-11)})
    found = fine_tune(models, "m1", dataset, tuning, 0)
    assert len({one.accuracy for one in found.tried}) == 1  # nothing moves
    assert found.learning_rate == 1e-10


def test_a_single_rate_is_taken_untried(models: ModelSet, dataset: Dataset) -> None:
    several = fine_tune(models, "m1", dataset, TUNING, 0)
    alone = fine_tune(models, "m1", dataset, TUNING.model_copy(update={"learning_rates": (3e-2,)}), 0)
    assert (alone.tried, alone.learning_rate) == ((), several.learning_rate)
    assert alone.accuracy == several.accuracy


def test_test_items_decide_nothing_but_the_accuracy(models: ModelSet, dataset: Dataset) -> None:
    swapped = dataclasses.replace(dataset, test_labels=1 - dataset.test_labels)
    ours, theirs = (fine_tune(models, "m0", one, TUNING, 0) for one in (dataset, swapped))
    assert (ours.tried, ours.learning_rate) == (theirs.tried, theirs.learning_rate)
    assert ours.accuracy + theirs.accuracy == pytest.approx(1)


@pytest.mark.parametrize("threads", [1, 2])
def test_neither_threads_nor_random_numbers_of_the_process_change_it(
    models: ModelSet, dataset: Dataset, threads: int
) -> None:
    expected = facts(fine_tune(models, "m0", dataset, TUNING, 3))
    with using_threads(threads), torch.random.fork_rng():
        torch.manual_seed(99)
        before = torch.random.get_rng_state()
        assert facts(fine_tune(models, "m0", dataset, TUNING, 3)) == expected
        assert torch.equal(torch.random.get_rng_state(), before)


def test_what_is_broken_off_goes_on(
    measure: Measure,
    models: ModelSet,
    calls: list[tuple[str, int]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = truth.fine_tune

    def failing(*arguments: Any) -> FineTune:
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(truth, "fine_tune", failing)
    with pytest.raises(KeyboardInterrupt):
        measure(seeds=2)
    (kept,) = tmp_path.rglob("groundtruth.json")
    assert [(one.model, one.seed) for one in truth.read(kept).fine_tunes] == [
        ("m0", 0), ("m1", 0), ("m2", 0), ("m0", 1)
    ]  # fmt: skip
    monkeypatch.setattr(truth, "fine_tune", real)
    outcome = measure(seeds=2)
    assert calls == [("m0", 0), ("m1", 0), ("m2", 0), ("m0", 1), ("m1", 1), ("m2", 1)]
    assert outcome.path == kept
    assert truth.read(kept) == outcome.record
    assert [(one.model, one.seed) for one in outcome.fine_tunes(models)] == [
        (name, seed) for name in ("m0", "m1", "m2") for seed in (0, 1)
    ]


def test_more_seeds_and_candidates_are_added(
    measure: Measure, models: ModelSet, calls: list[tuple[str, int]]
) -> None:
    few = dataclasses.replace(models, candidates=models.candidates[:2])
    measure(models=few)
    assert calls == [("m0", 0), ("m1", 0)]
    measure(models=few, seeds=2)
    assert calls[2:] == [("m0", 1), ("m1", 1)]
    outcome = measure(seeds=2)
    assert calls[4:] == [("m2", 0), ("m2", 1)]
    assert len(outcome.record.fine_tunes) == 6
    assert [one.model for one in outcome.fine_tunes(few)] == ["m0", "m0", "m1", "m1"]


def test_another_model_of_the_same_name_is_another(
    measure: Measure, models: ModelSet, calls: list[tuple[str, int]]
) -> None:
    measure()
    renamed = dataclasses.replace(models.candidates[1], id="m0")
    other = dataclasses.replace(models, candidates=(renamed,))
    outcome = measure(models=other)
    assert calls[3:] == [("m0", 0)]
    assert len(outcome.fine_tunes(other)) == 1
    assert len(outcome.record.fine_tunes) == 4


@pytest.mark.parametrize(
    "change",
    [{"epochs": 5}, {"learning_rates": (1e-3,)}, {"held_out": 0.5}, {"batch_size": 8}, {"threads": 2}],
    ids=lambda change: next(iter(change)),
)
def test_another_tuning_is_kept_apart(
    measure: Measure, calls: list[tuple[str, int]], change: dict[str, Any]
) -> None:
    first, second = measure(), measure(tuning=TUNING.model_copy(update=change))
    assert len(calls) == 6
    assert first.path != second.path


def test_other_data_are_kept_apart(measure: Measure, dataset: Dataset, calls: list[tuple[str, int]]) -> None:
    swapped = dataclasses.replace(dataset, test_labels=1 - dataset.test_labels)
    assert measure().path != measure(dataset=swapped).path
    assert len(calls) == 6


def test_all_is_done_again_if_that_is_asked_for(measure: Measure, calls: list[tuple[str, int]]) -> None:
    measure()
    outcome = measure(again=True)
    assert calls == 2 * [("m0", 0), ("m1", 0), ("m2", 0)]
    assert len(outcome.record.fine_tunes) == 3


def test_a_failure_does_not_stop_the_others(
    measure: Measure, models: ModelSet, calls: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = truth.fine_tune

    def failing(models: ModelSet, name: str, *arguments: Any) -> FineTune:
        if name == "m1":
            raise BadModelError("its block is damaged", [name])
        return real(models, name, *arguments)

    monkeypatch.setattr(truth, "fine_tune", failing)
    outcome = measure()
    assert outcome.failed == ["m1, seed 0: its block is damaged"]
    assert [one.model for one in outcome.fine_tunes(models)] == ["m0", "m2"]
    monkeypatch.setattr(truth, "fine_tune", real)
    assert len(measure().fine_tunes(models)) == 3
    assert calls == [("m0", 0), ("m2", 0), ("m1", 0)]


def test_time_left_is_said(measure: Measure, calls: list[tuple[str, int]]) -> None:
    output = io.StringIO()
    measure(output=output)
    assert re.search(r"\[1/3 done, 0 failed, .* left\] m0, seed 0: accuracy 0.0000", output.getvalue())


def test_two_processes_do_not_mix(measure: Measure, calls: list[tuple[str, int]], tmp_path: Path) -> None:
    folder = measure().path.parent
    with claimed(folder, wait=False), pytest.raises(StoreError, match="another process is fine-tuning"):
        measure(seeds=2)
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not a whole JSON document"),
        ("[]", "expected a JSON object"),
        ('{"schema": 2}', "schema"),
        (None, "of another dataset or tuning"),
    ],
)
def test_a_file_that_is_none_is_refused(
    measure: Measure, calls: list[tuple[str, int]], content: str | None, reason: str
) -> None:
    path = measure().path
    if content is None:
        content = json.dumps({**json.loads(path.read_text()), "identity": "another"})
    path.write_text(content)
    with pytest.raises(StoreError, match=f"{re.escape(str(path))}: .*{reason}.*delete it to fine-tune anew"):
        measure()
    assert path.read_text() == content


def test_data_that_cannot_be_classified(measure: Measure, dataset: Dataset) -> None:
    numbers = dataclasses.replace(dataset, classes=0, train_labels=dataset.train_labels.astype(float))
    with pytest.raises(ConfigError, match="'brightness': its labels are numbers"):
        measure(dataset=numbers)
    few = dataclasses.replace(dataset, train_items=dataset.train_items[:3], train_labels=dataset.train_labels[:3])
    with pytest.raises(ConfigError, match="3 training items"):
        measure(dataset=few)


def test_the_record_is_what_its_schema_says(measure: Measure, calls: list[tuple[str, int]]) -> None:
    import jsonschema

    value = json.loads(measure().path.read_text())
    jsonschema.validate(value, GroundTruth.model_json_schema())
    twice = {**value, "fine_tunes": [value["fine_tunes"][0]] * 2}
    assert GroundTruth.problems(twice) == ["fine_tunes: holds model 'm0' with seed 0 twice"]
