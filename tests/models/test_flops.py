"""Parameters and FLOPs of a candidate are those of its module, and are found once."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from alsatian.blocks.split import split
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.models import flops
from alsatian.models.flops import costs_of_models
from alsatian.models.model_set import ModelSet
from alsatian.models.sets.folder import FolderSet
from alsatian.store.store import BlockStore
from tests.models.reading.checkpoint_files import bert, save_bert, save_vit, vit

SIZE = ImagePreprocessing(8)


class Tied(torch.nn.Module):
    """One layer that is used twice, with a buffer that is not trained."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(3, 3, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(3)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(N, 3, 8, 8) -> (N, 3)."""
        x = torch.relu(self.norm(self.first(pixels)))
        return self.first(torch.relu(x)).mean((2, 3))


class Chosen(torch.nn.Module):
    """Its operators need numbers, not only shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(8, 4)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(N, 3, 8, 8) -> (N, 4)."""
        return torch.fft.rfft(self.layer(pixels.mean((1, 2)))).real


class Placed(Chosen):
    """It makes a tensor where it runs."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(N, 3, 8, 8) -> (N, 4)."""
        return self.layer(pixels.mean((1, 2))) + torch.arange(4, device=pixels.device)


def test_by_definition(tmp_path: Path, tiny: Any) -> None:
    models = ModelSet.from_modules(BlockStore(tmp_path), {"a": tiny("abcd"), "tied": Tied()}, SIZE)
    costs = costs_of_models(models)
    # Two operations for each product: outputs × inputs × kernel × positions.
    stages = [(3, 4, 64), (4, 4, 64), (4, 8, 16), (8, 8, 16)]
    assert costs["a"].total_flops == sum(2 * 9 * i * o * positions for i, o, positions in stages)
    # Weights and biases of convolutions, scales and shifts of norms; statistics are not trained.
    assert costs["a"].total_parameters == sum(9 * i * o + o + 2 * o for i, o, _ in stages)
    assert len(costs["a"].flops) == len(costs["a"].parameters) == len(models.candidates[0].blocks)
    assert costs["tied"].total_flops == 2 * 2 * 9 * 3 * 3 * 64
    assert costs["tied"].total_parameters == 9 * 3 * 3 + 3 + 2 * 3
    assert not costs["a"].uncounted


@pytest.mark.parametrize(("make", "save"), [(vit, save_vit), (bert, save_bert)])
def test_as_the_library_counts_the_whole_model(tmp_path: Path, make: Any, save: Any) -> None:
    save(make(), tmp_path / "models" / "a")
    models = FolderSet(path=tmp_path / "models").open(BlockStore(tmp_path / "store"))
    costs = costs_of_models(models)["a"]
    body = make().base_model
    body.pooler = None  # which is no part of the features
    example = models.candidates[0].preprocessing.example()
    names = ("pixel_values",) if len(example) == 1 else ("input_ids", "attention_mask")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        body(**dict(zip(names, example, strict=True)))
    assert costs.total_flops == counter.get_total_flops() / 2 > 0
    assert costs.total_parameters == sum(p.numel() for p in body.parameters())


def test_code_for_another_device_costs_the_same(tmp_path: Path) -> None:
    module = Placed()
    models = ModelSet.from_modules(BlockStore(tmp_path), {"a": module}, SIZE)
    (candidate,) = models.candidates
    chains = [split(module, SIZE.example(), device).segments for device in ("cpu", "meta")]
    assert [flops._device(chain).type for chain in chains] == ["cpu", "meta"]
    cpu, meta = (flops._found(candidate, chain, models.store) for chain in chains)
    assert cpu == meta
    assert meta.total_flops == 2 * 8 * 4


def test_operators_without_a_formula_are_said(tmp_path: Path) -> None:
    models = ModelSet.from_modules(BlockStore(tmp_path), {"a": Chosen()}, SIZE)
    costs = costs_of_models(models)["a"]
    assert costs.total_flops == 2 * 8 * 4
    assert any("fft" in name for name in costs.uncounted)


def test_what_shapes_do_not_tell_is_counted_on_numbers(
    tmp_path: Path, tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = ModelSet.from_modules(BlockStore(tmp_path / "a"), {"a": tiny("abcd")}, SIZE)
    expected = costs_of_models(models)["a"]

    def refuse() -> None:
        raise RuntimeError("data-dependent")

    monkeypatch.setattr(flops, "FakeTensorMode", refuse)
    monkeypatch.setattr(flops, "_known", {})
    other = ModelSet.from_modules(BlockStore(tmp_path / "b"), {"a": tiny("abcd")}, SIZE)
    assert costs_of_models(other)["a"] == expected


def test_an_architecture_is_looked_at_once(tmp_path: Path, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process, and in later ones by what the store keeps unless that is damaged."""
    monkeypatch.setattr(flops, "_known", {})
    found, calls = flops._found, []
    monkeypatch.setattr(flops, "_found", lambda *given: [calls.append(given[0].id), found(*given)][1])
    models = ModelSet.from_modules(BlockStore(tmp_path), {"a": tiny("abcd"), "b": tiny("abce")}, SIZE)
    costs = costs_of_models(models)
    assert costs["a"] == costs["b"]
    assert calls == ["a"]
    monkeypatch.setattr(flops, "_known", {})
    assert costs_of_models(models) == costs
    assert calls == ["a"]
    (path,) = (tmp_path / "costs").iterdir()
    path.write_bytes(path.read_bytes().replace(b"1", b"2", 1))
    monkeypatch.setattr(flops, "_known", {})
    assert costs_of_models(models) == costs
    assert calls == ["a", "a"]
