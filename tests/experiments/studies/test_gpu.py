"""The study of a GPU: tried out on the CPU, what it expects, and what it does without time or a device."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch

from experiments.studies import gpu
from experiments.studies.gpu.jobs import OUT_OF_MEMORY, STRATEGIES, Expected, Job, jobs
from experiments.studies.gpu.page import page
from tests.experiments.studies.conftest import Study, Written

FIRST = len(STRATEGIES) + 1
"""Jobs of the first cell."""


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Has the study know only so many of its jobs."""
    return lambda count: monkeypatch.setattr(gpu, "jobs", lambda *where: jobs(*where)[:count])


def test_a_cell_on_the_cpu(few: Callable[[int], None], study: Study, written: Written, store: Path) -> None:
    few(FIRST)
    assert study("gpu", "--device", "cpu", "--scale", "ci", "--minutes", 4, "--store", store) == 0
    text = written("gpu.md")
    assert "## Fig 10, ResNet-18, Top Layers, 2,000 items" in text
    assert "found are the same." in text
    assert "- Budgets: kept in every search." in text
    assert "- Out of memory: the memory was full 1 times, the search ended, its scores are the same." in text
    assert all(f"| `{name}` |" in text for name in STRATEGIES)
    assert "Not measured" not in text
    assert "has not come to its end" not in text


def test_what_does_not_fit_is_skipped_and_said(
    few: Callable[[int], None],
    study: Study,
    written: Written,
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few(2)
    monkeypatch.setattr(Expected, "needed", lambda self, job: 1e6 if job.strategy == "auto" else 0.0)
    assert study("gpu", "--device", "cpu", "--scale", "ci", "--minutes", 4, "--store", store) == 0
    text = written("gpu.md")
    assert "| `base` |" in text.partition("## Not measured")[0]
    assert "| `auto` | needs about 277.8 h, " in text.partition("## Not measured")[2]


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_without_a_device_it_is_refused(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    assert study("gpu") == 1
    message = "alsatian: there is no CUDA device here; --device cpu --scale ci tries the study out\n"
    assert capsys.readouterr().err == message
    assert study("gpu", "--minutes", 0, "--device", "cpu") == 1
    assert "--minutes 0: must be above 0" in capsys.readouterr().err


def test_every_job_is_a_search_of_its_own() -> None:
    found = jobs("cuda", "paper")
    assert len({job.words for job in found}) == len(found) == 11 * len(STRATEGIES) + 1
    assert {job.strategy for job in found[:FIRST]} == {*STRATEGIES, OUT_OF_MEMORY}
    assert [job.full for job in found].count(True) == 1
    # Nothing is looked for in the network.
    assert all("network.paper.weights=null" in job.words for job in found)
    assert all("dataset.real=null" in job.words for job in found if job.images)


def test_expectations_are_corrected_by_what_was_measured() -> None:
    auto, base = jobs("cuda", "paper")[:2]
    expected = Expected("h200", 0.0)
    seconds = expected.seconds(base)
    assert seconds is not None
    reading = 35 * 46.8e6 / 200e6
    assert seconds > reading
    with_decoding = Expected("h200", 0.01).seconds(base)
    assert with_decoding == pytest.approx(seconds + 0.01 * 35 * 2000)
    first = expected.needed(base)
    expected.took(base, 2 * seconds)
    assert expected.seconds(base) == pytest.approx(2 * seconds)
    assert expected.needed(base) > first  # for the models are there by now
    alone = Expected("h200", 0.0).seconds(auto)
    assert alone is not None
    assert expected.seconds(auto) == pytest.approx(2 * alone)  # nothing closer is known
    assert Expected("h200", 0.0, alike=False).needed(base) == 0.0


def row(job: Job, **changes: object) -> dict[str, object]:
    usual = {
        "strategy": job.strategy, "job": job, "cell": job.cell, "predicted_s": 2.0, "wall_s": 1.0, "stalled": 0.1,
        "over_limit": 1.5, "scoring": 0.1, "kept": True, "identical": True, "scores": 3, "device_bytes": 1e9,
        "out_of_memory": int(job.full),
    }  # fmt: skip
    return {**usual, **changes}


@pytest.mark.parametrize(
    ("place", "changes", "said"),
    [
        (1, {"identical": False}, "NOT all the same"),
        (1, {"kept": False}, "EXCEEDED in Fig 10, ResNet-18"),
        (4, {"out_of_memory": 0}, "NOT recovered, or not met"),
    ],
)
def test_what_is_wrong_makes_a_bad_page(place: int, changes: dict[str, object], said: str) -> None:
    found = jobs("cuda", "paper")[:FIRST]
    good = page(pd.DataFrame([row(job) for job in found]), [], "about", True)
    assert good.good
    rows = [row(job, **(changes if i == place else {})) for i, job in enumerate(found)]
    bad = page(pd.DataFrame(rows), [], "about", True)
    assert not bad.good
    assert said in "\n".join(bad.blocks)


def test_a_page_without_a_search_is_a_page() -> None:
    found = page(pd.DataFrame([]), [(jobs("cuda", "paper")[0], "no time")], "about", False)
    assert found.good
    assert "Nothing was measured." in "\n".join(found.blocks)
    assert "has not come to its end" in "\n".join(found.blocks)
