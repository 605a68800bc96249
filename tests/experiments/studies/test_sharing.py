"""The study of what fine-tunes take: small families, whose numbers are counted again here."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from alsatian.data.digits import digits
from alsatian.errors import ConfigError
from experiments.studies.sharing import configure, measure, page, run
from experiments.studies.sharing.families import FEW_STEPS, KINDS, RATE, STEPS, Network, make, tensors_in
from experiments.studies.study import parse


def save(folder: Path) -> nn.Module:
    from transformers import ResNetConfig, ResNetForImageClassification

    torch.manual_seed(0)
    config = ResNetConfig(embedding_size=32, hidden_sizes=[32, 128], depths=[1, 1], layer_type="basic")
    module = ResNetForImageClassification(config)
    module.save_pretrained(folder)
    prepared = {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}}
    (folder / "preprocessor_config.json").write_text(json.dumps(prepared))
    return module.eval()


NETWORK = Network("small", "resnet.", ("convolution",), save, digits)


@pytest.mark.parametrize("kind", KINDS)
def test_a_family_differs_in_what_its_kind_says(tmp_path: Path, kind: str) -> None:
    make(NETWORK, kind, 2, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00", "01", "base"]
    if FEW_STEPS in kind:
        base, tuned = (load_file(tmp_path / name / "model.safetensors") for name in ("base", "00"))
        kinds = {tensor.dtype for tensor in (*base.values(), *tuned.values()) if tensor.is_floating_point()}
        assert kinds == {torch.bfloat16 if kind != FEW_STEPS else torch.float32}
        name = next(n for n in base if n.endswith("convolution.weight"))
        change = (tuned[name] - base[name]).abs().float()
        assert 0 < change.max() <= 1.1 * STEPS * RATE or kind != FEW_STEPS
        return
    if kind == "LoRA":
        names = load_file(tmp_path / "00" / "adapter_model.safetensors")
        assert all("lora_" in name for name in names)
        return
    base, tuned = (load_file(tmp_path / name / "model.safetensors") for name in ("base", "00"))
    changed = {name for name in base if not torch.equal(base[name], tuned[name])}
    body = {name for name in base if name.startswith("resnet.")}
    expected = {
        "biases": {name for name in body if name.endswith(".bias")},
        "head": base.keys() - body,
        "all parameters": {name for name in base if name.endswith((".weight", ".bias"))},
    }
    assert changed == expected[kind]
    assert {name for name, _ in tensors_in(tmp_path, NETWORK)} == {n for n in body if "num_batches" not in n}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["biases", "head", "all parameters"])
def test_the_row_of_a_family(tmp_path: Path, kind: str) -> None:
    row, _ = measure(NETWORK, kind, 2, digits(40), tmp_path)
    assert row["scores"] == "3 of 3 equal"
    # Tensors of a small network are small, so headers and tensors below 64 KB, which are stored again, weigh much.
    assert 1 < float(str(row["in the store"])) < 1.6
    times = 1 if kind == "all parameters" else 3
    assert times <= float(str(row["read by base"])) < 1.6 * times
    assert page([row], True).good


@pytest.mark.parametrize("words", [["--count", "0"], ["--items", "5"]])
def test_arguments_that_cannot_be_are_refused(words: list[str]) -> None:
    module: Any = type("Study", (), {"__doc__": "x", "configure": staticmethod(configure)})
    with pytest.raises(ConfigError, match="--count must be at least 1"):
        next(run(parse(module, "study", words), print))
