"""The same guarantees on a GPU."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import alsatian
from alsatian.budgets import Budgets
from alsatian.data.digits import digits
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.models.model_set import ModelSet
from alsatian.planning.orders.given import Given
from alsatian.runtime.cache.policies.lru import Lru
from alsatian.runtime.cache.policies.none import NoCache
from alsatian.searching.schedules import Exhaustive
from alsatian.searching.strategy import Strategy
from alsatian.store.store import BlockStore

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
MODELS = {"first": "aaaa", "second": "aaab", "third": "aacc", "twin": "aaab", "alone": "dddd"}
PREPROCESSING = ImagePreprocessing(8)


def attention(seed: int) -> torch.nn.Module:
    """Two transformer layers over the rows of an image; models of different seeds share the first."""
    layers = []
    for layer_seed in (0, seed):
        with torch.random.fork_rng():
            torch.manual_seed(layer_seed)
            layers.append(torch.nn.TransformerEncoderLayer(24, 4, 48, batch_first=True))
    return torch.nn.Sequential(Rows(), *layers).eval()


class Rows(torch.nn.Module):
    """Pixels (N, 3, 8, 8) -> tokens (N, 8, 24)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.transpose(1, 2).flatten(2)


def run(models: ModelSet, strategy: Strategy, budget: Budgets | str | None = None) -> alsatian.SearchResult:
    return alsatian.search(
        models,
        digits(400),
        strategy=strategy,
        batch_size=32,
        budget=budget,
        device="cuda",
        verify=True,
    )


@pytest.mark.parametrize("kind", ["convolutions", "attention"])
def test_all_strategies_agree_and_their_parts_add_up(
    tmp_path: Path, tiny: Callable[[str], torch.nn.Module], kind: str
) -> None:
    if kind == "convolutions":
        modules = {model: tiny(letters) for model, letters in MODELS.items()}
    else:
        modules = {f"seed{seed}": attention(seed) for seed in range(1, 4)}
    models = ModelSet.from_modules(BlockStore(tmp_path), modules, PREPROCESSING, device="cuda")
    spilled = Budgets(budget="10%", host_budget="40%", ssd_budget="100%", ssd_dir=tmp_path / "ssd")
    results = [
        run(models, Strategy(schedule=Exhaustive(), sharing="none", order=Given(), cache=NoCache())),
        run(models, Strategy(sharing="none", order=Given(), cache=NoCache())),
        run(models, Strategy(order=Given(), cache=Lru()), budget="256KiB"),
        run(models, Strategy()),
        run(models, Strategy(), budget="256KiB"),
        run(models, Strategy(), budget=spilled),
        run(models, Strategy(order=Given(), cache=Lru()), budget=Budgets(budget="10%", host_budget="100%")),
    ]
    known: dict[tuple[int, str], tuple[float, str]] = {}
    for result in results:
        for finished in result.rounds:
            for model, score in finished.scores.items():
                key = (finished.train_items, model)
                assert known.setdefault(key, (score, finished.fingerprints[model])) == (
                    score,
                    finished.fingerprints[model],
                )
        assert result.measurement.valid, result.measurement
        assert abs(result.measurement.unattributed_s) <= 0.05 * result.measurement.wall_s
        assert result.measurement.parts_s["inference"] > 0


def test_the_timeline_adds_up_to_the_parts(tmp_path: Path, tiny: Callable[[str], torch.nn.Module]) -> None:
    modules = {model: tiny(letters) for model, letters in MODELS.items()}
    models = ModelSet.from_modules(BlockStore(tmp_path), modules, PREPROCESSING, device="cuda")
    measurement = alsatian.search(models, digits(400), batch_size=32, device="cuda", timeline=True).measurement
    slices = [e for e in measurement.timeline or [] if e["ph"] == "X" and e["tid"] == 1]
    for part, seconds in measurement.parts_s.items():
        drawn = sum(e["dur"] for e in slices if e["args"]["part"] == part) / 1e6
        assert drawn == pytest.approx(seconds, abs=1e-4)
    assert all(e["dur"] >= 0 for e in slices)
    assert (measurement.process["peak_device_bytes"] or 0) > 0
