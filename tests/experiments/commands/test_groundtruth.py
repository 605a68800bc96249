"""``alsatian groundtruth`` as it is typed; the fine-tunes themselves are made up."""

from collections.abc import Callable
from pathlib import Path

import pytest

from alsatian.data.dataset import Dataset
from alsatian.models.model_set import ModelSet
from alsatian.records import FineTune, Tuning
from experiments.groundtruth import truth

Alsatian = Callable[..., int]


@pytest.fixture
def tunings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Tuning, int]]:
    """The tuning and seed of every fine-tune that was done. The last model of the set is best."""
    done: list[tuple[Tuning, int]] = []

    def made_up(models: ModelSet, name: str, dataset: Dataset, tuning: Tuning, seed: int) -> FineTune:
        done.append((tuning, seed))
        return FineTune(
            model=name, digest=truth.model_digest(models, name), parameters=12345, seed=seed, tried=(),
            learning_rate=0.01, accuracy=int(name[-1]) / 10, seconds=1.0,
        )  # fmt: skip

    monkeypatch.setattr(truth, "fine_tune", made_up)
    return done


@pytest.mark.xdist_group("cli")
def test_candidates_are_shown_best_first_and_runs_that_differ_in_nothing_here_are_one(
    alsatian: Alsatian, store: Path, tmp_path: Path, tunings: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    words = (
        "groundtruth",
        "experiment=quickstart",
        "scale=ci",
        f"store_dir={store}",
        "--seeds",
        "2",
        "--epochs",
        "5",
    )
    assert alsatian(*words) == 0
    expected = Tuning(epochs=5, learning_rates=(1e-4, 1e-3), held_out=0.2, batch_size=32, threads=1, device="cpu")
    assert tunings == [(expected, 0)] * 4 + [(expected, 1)] * 4
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines() if "12,345" in line]
    assert [row[0] for row in rows] == ["1", "2", "3", "4"]
    assert [row[1].rpartition("-")[2] for row in rows] == ["04", "03", "02", "01"]
    (path,) = (tmp_path / "results" / "quickstart" / "groundtruth").rglob("groundtruth.json")
    assert f"written: {path.relative_to(tmp_path)}" in out
    assert "--epochs=5" in truth.read(path).command
    assert alsatian("validate", "results") == 0
    assert alsatian(*words) == 0
    assert len(tunings) == 8


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--seeds", "0", "--seeds 0: at least one is needed"),
        ("--epochs", "0", "groundtruth: epochs: input should be greater than or equal to 1"),
        ("--learning-rates", "fast", "--learning-rates fast: write e.g. 1e-4,1e-3"),
        ("--learning-rates", "1e-3,0", "groundtruth: learning_rates[1]: input should be greater than 0"),
        ("--learning-rates", "1e-3,1e-3", "groundtruth: learning_rates: holds one twice"),
        ("--held-out", "1", "groundtruth: held_out: input should be less than 1"),
        ("--batch-size", "1", "groundtruth: batch_size: input should be greater than or equal to 2"),
        ("--threads", "0", "groundtruth: threads: input should be greater than or equal to 1"),
    ],
)
def test_options_that_mean_nothing_end_in_one_line(
    alsatian: Alsatian, store: Path, option: str, value: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alsatian("groundtruth", "scale=ci", f"store_dir={store}", option, value) == 1
    assert capsys.readouterr().err.startswith(f"alsatian: {said}")
