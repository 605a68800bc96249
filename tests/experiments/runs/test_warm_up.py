"""What is computed before anything is measured: once a process, of each architecture, and without a say."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from alsatian import api
from alsatian.blocks.candidate import Candidate
from alsatian.errors import BadModelError
from alsatian.models.model_set import ModelSet
from experiments.configuration.composition import cells
from experiments.configuration.setup import Parts, Setup
from experiments.runs import repeat, warm_up

# One worker trains the shared models, once.
pytestmark = pytest.mark.xdist_group("cli")


@pytest.fixture
def quickstart(store: Path) -> tuple[Setup, ModelSet]:
    (cell,) = cells(["scale=ci", "repeats=2", "device.threads=1", f"store_dir={store}"])
    config: Any = OmegaConf.to_container(cell.config, resolve=True)
    parts = Parts()
    return parts.setup(cell.config), parts.model_set(config, lambda what, done, total: None)


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """Models, test items and training items of every search for warming up, in a process that has done nothing."""
    seen: list[tuple[int, int, int]] = []

    def search(models: ModelSet, data: Any, **settings: Any) -> api.SearchResult:
        seen.append((len(models.candidates), len(data.test_items), len(data.train_items)))
        return api.search(models, data, **settings)

    monkeypatch.setattr(warm_up, "search", search)
    monkeypatch.setattr(warm_up, "_warm", set())
    return seen


def test_one_model_and_one_batch_once_a_process(
    quickstart: tuple[Setup, ModelSet], searched: list[tuple[int, int, int]]
) -> None:
    setup, models = quickstart
    codes = {tuple(models.segments[b.identity].fingerprint for b in c.blocks) for c in models.candidates}
    assert len(codes) < len(models.candidates)
    size = setup.config["batch_size"]
    first = repeat.measure(setup, models, lambda: None)
    tests, trains = min(size, len(setup.dataset.test_items)), min(size, len(setup.dataset.train_items))
    assert searched == [(len(codes), tests, trains)]
    assert first.repeat.warm_up == "search"
    again = repeat.measure(setup, models, lambda: None)
    assert len(searched) == 1
    assert again.findings == first.findings
    # Nothing of it is measured, and what it has read is read from the disk again.
    assert again.repeat.counters == first.repeat.counters


@pytest.mark.parametrize("strategy", ["base", "alsatian"])
@pytest.mark.parametrize("how", ["once", "always"])
def test_no_repeat_verifies_for_another(store: Path, strategy: str, how: str) -> None:
    words = [f"strategy={strategy}", f"storage.verify_blocks={how}", "warm_up=false", "loader=sequential"]
    (cell,) = cells(["scale=ci", "device.threads=1", f"store_dir={store}", *words])
    shutil.rmtree(store / "verified")
    parts = Parts()
    setup, steps = parts.setup(cell.config), list[tuple[str, int, int]]()
    models = parts.model_set(setup.config, lambda *step: steps.append(step))
    assert [what for what, _, _ in steps].count("verifying") > 1
    found = [repeat.measure(setup, models, lambda: None).repeat.counters for _ in range(2)]
    assert found[0] == found[1]
    if how == "once":
        assert found[0]["bytes_verified"] == 0
    else:
        assert 0 < found[0]["bytes_verified"] < found[0]["bytes_read"]  # all but the files' headers
    Parts().model_set(
        setup.config, lambda *step: steps.append(("again", *step[1:]) if step[0] == "verifying" else step)
    )
    assert "again" not in [what for what, _, _ in steps]


@pytest.fixture
def once(quickstart: tuple[Setup, ModelSet], monkeypatch: pytest.MonkeyPatch) -> tuple[Setup, ModelSet]:
    """With a single repeat, as at the smallest scale."""
    setup, models = quickstart
    monkeypatch.setitem(setup.config, "repeats", 1)
    return setup, models


def test_a_single_repeat_needs_no_search_but_warm_kernels(
    once: tuple[Setup, ModelSet], searched: list[tuple[int, int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    setup, models = once
    computed: list[tuple[str, int]] = []
    compute = ModelSet.compute_example

    def seen(models: ModelSet, candidate: Candidate, sizes: Sequence[int], device: str) -> None:
        computed.extend((candidate.id, size) for size in sizes)
        compute(models, candidate, sizes, device)

    monkeypatch.setattr(ModelSet, "compute_example", seen)
    codes = {tuple(models.segments[b.identity].fingerprint for b in c.blocks) for c in models.candidates}
    first = repeat.measure(setup, models, lambda: None)
    assert not searched
    assert [size for _, size in computed] == [setup.config["batch_size"]] * len(codes)
    assert first.repeat.warm_up == "kernels"
    again = repeat.measure(setup, models, lambda: None)
    assert len(computed) == len(codes)
    assert (again.findings, again.repeat.counters) == (first.findings, first.repeat.counters)


def test_every_block_of_an_architecture_is_computed(once: tuple[Setup, ModelSet]) -> None:
    setup, models = once
    ran: list[str] = []
    candidate = models.candidates[0]
    segments = {}
    for block in candidate.blocks:
        segment = models.segments[block.identity]

        def run(state: Any, parameters: Any, segment: Any = segment) -> Any:
            ran.append(segment.fingerprint)
            assert not torch.is_grad_enabled()
            return segment(state, parameters)

        segments[block.identity] = type(
            "Seen", (), {"arrange": segment.arrange, "prepare": segment.prepare, "__call__": staticmethod(run)}
        )()
    replace(models, segments=segments).compute_example(candidate, [setup.config["batch_size"]], "cpu")
    assert ran == [models.segments[block.identity].fingerprint for block in candidate.blocks]


def test_not_if_it_is_not_wanted(
    quickstart: tuple[Setup, ModelSet], searched: list[tuple[int, int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    setup, models = quickstart
    monkeypatch.setitem(setup.config, "warm_up", False)
    assert repeat.measure(setup, models, lambda: None).repeat.warm_up == "nothing"
    assert not searched


def test_what_goes_wrong_is_left_to_the_search_that_is_measured(
    quickstart: tuple[Setup, ModelSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> api.SearchResult:
        raise BadModelError("a block is damaged")

    setup, models = quickstart
    monkeypatch.setattr(warm_up, "search", broken)
    monkeypatch.setattr(warm_up, "_warm", set())
    measured = repeat.measure(setup, models, lambda: None)
    assert measured.repeat.valid
    monkeypatch.setattr(repeat, "search", broken)
    with pytest.raises(repeat.RunFailed, match="a block is damaged"):
        repeat.measure(setup, models, lambda: None)
