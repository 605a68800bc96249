"""Features of inner layers are those that a plain forward pass of the library shows."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import nn
from transformers import BertConfig, BertModel, ResNetConfig, ResNetModel, ViTConfig, ViTModel

from alsatian.blocks.candidate import ArchitectureSpec
from alsatian.data.preprocessing import ImagePreprocessing, Preprocessing
from alsatian.data.text import TextPreprocessing
from alsatian.models.inner.candidates import layer_candidates
from alsatian.models.model_set import ModelSet
from alsatian.models.reading.features.extractor import feature_extractor
from alsatian.store.store import BlockStore

SMALL = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24}
CPU = torch.device("cpu")
TEXT = TextPreprocessing("0" * 64, length=6)
PIXELS = ImagePreprocessing(32)
Scrambled = Callable[[nn.Module], nn.Module]
State = tuple[torch.Tensor, ...]


def pixels(items: int = 4) -> State:
    return (torch.rand(items, 3, 32, 32, generator=torch.Generator().manual_seed(1)),)


def tokens() -> State:
    """Four texts of 6, 1, 3 and 5 tokens."""
    ids = torch.randint(1, 30, (4, 6), generator=torch.Generator().manual_seed(1))
    mask = (torch.arange(6) < torch.tensor([6, 1, 3, 5])[:, None]).to(torch.int64)
    return ids * mask, mask


def inner(extractor: nn.Module, prepares: Preprocessing, state: State, root: Path) -> list[torch.Tensor]:
    """Features of each layer: its chain of blocks, run one by one."""
    models = ModelSet.from_modules(BlockStore(root), {"m": extractor}, prepares)
    layers, ids = layer_candidates(models, CPU)
    assert [candidate.id for candidate in layers.candidates] == list(ids["m"])
    assert layers.candidates[-1] == models.candidates[0]
    found = []
    for candidate in layers.candidates:
        now = state
        with torch.no_grad():
            for block in candidate.blocks:
                segment = layers.segments[block.identity]
                tensors = models.store.load_block(block.identity, "m", segment.fingerprint)
                now = segment(now, segment.prepare(tensors))
        assert now[0].nbytes == len(state[0]) * candidate.blocks[-1].output_bytes
        found.append(now[0])
    return found


def test_tokens_of_texts_are_averaged_by_the_mask(scrambled: Scrambled, tmp_path: Path) -> None:
    body: Any = scrambled(BertModel(BertConfig(vocab_size=30, **SMALL)))
    ids, mask = tokens()
    found = inner(feature_extractor(body, (ids, mask)), TEXT, (ids, mask), tmp_path)
    with torch.no_grad():
        hidden = body(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states[1:]
    assert len(found) == len(hidden) == 3
    for ours, states in zip(found, hidden, strict=True):
        one_by_one = torch.stack([row[: int(m.sum())].mean(0) for row, m in zip(states, mask, strict=True)])
        torch.testing.assert_close(ours, one_by_one)


@pytest.mark.parametrize("pooling", ["max_tokens", "class_token+mean_tokens"])
def test_tokens_are_pooled_as_the_architecture_says(pooling: str, scrambled: Scrambled, tmp_path: Path) -> None:
    body: Any = scrambled(BertModel(BertConfig(vocab_size=30, **SMALL)))
    ids, mask = tokens()
    extractor = feature_extractor(body, (ids, mask), pooling)
    models = ModelSet.from_modules(BlockStore(tmp_path), {"m": extractor}, TEXT)
    spec = ArchitectureSpec("transformers", "BertModel", pooling=pooling)
    candidates = (replace(models.candidates[0], architecture=spec),)
    layers, _ = layer_candidates(replace(models, candidates=candidates), CPU)
    first = layers.candidates[0]
    now: State = (ids, mask)
    with torch.no_grad():
        for block in first.blocks:
            segment = layers.segments[block.identity]
            now = segment(now, segment.prepare(models.store.load_block(block.identity, "m")))
        hidden = body(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states[1]
        assert torch.equal(now[0], extractor.pool(hidden, mask))  # type: ignore[operator]


def vit() -> nn.Module:
    return ViTModel(ViTConfig(image_size=32, patch_size=8, **SMALL))


def torchvision_vit() -> nn.Module:
    return torchvision.models.VisionTransformer(32, 8, num_layers=3, num_heads=2, hidden_dim=16, mlp_dim=24)


@pytest.mark.parametrize(
    ("make", "layer"), [(vit, "layers"), (torchvision_vit, "encoder.layers")], ids=["transformers", "torchvision"]
)
def test_images_are_their_class_token(
    make: Callable[[], nn.Module], layer: str, scrambled: Scrambled, tmp_path: Path
) -> None:
    body = scrambled(make())
    extractor = feature_extractor(body, pixels())
    found, (hidden, features) = inner(extractor, PIXELS, pixels(), tmp_path), hooked(extractor, body, layer)
    assert [tuple(ours.shape) for ours in found] == [(4, 16)] * 3
    for ours, states in zip(found[:-1], hidden, strict=False):
        torch.testing.assert_close(ours, states[:, 0])
    assert torch.equal(found[-1], features)


def hooked(extractor: nn.Module, body: nn.Module, *names: str) -> tuple[list[torch.Tensor], torch.Tensor]:
    """What each part of the lists of parts called ``names`` returns, and the features."""
    seen: list[torch.Tensor] = []

    def see(_: nn.Module, __: Any, output: Any) -> None:
        seen.append(output if isinstance(output, torch.Tensor) else output[0])

    parts = [part for name in names for part in body.get_submodule(name).children()]
    hooks = [part.register_forward_hook(see) for part in parts]
    with torch.no_grad():
        features = extractor(*pixels())
    for hook in hooks:
        hook.remove()
    assert len(seen) == len(parts)
    return seen, features


class Averaged(nn.Module):
    """A transformer with a class token whose features are the mean of all tokens, or without one."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.body(images).last_hidden_state.mean(1)
        return features


def test_images_whose_features_are_a_mean_are_the_mean_of_tokens(scrambled: Scrambled, tmp_path: Path) -> None:
    extractor = Averaged(scrambled(vit()))
    found, (hidden, _) = inner(extractor, PIXELS, pixels(), tmp_path), hooked(extractor, extractor.body, "layers")
    for ours, states in zip(found[:-1], hidden, strict=False):
        torch.testing.assert_close(ours, states.mean(1))


def resnet() -> tuple[nn.Module, list[str]]:
    config = ResNetConfig(embedding_size=4, hidden_sizes=[4, 6], depths=[2, 2], layer_type="basic")
    return ResNetModel(config), ["encoder.stages.0.layers", "encoder.stages.1.layers"]


def torchvision_resnet() -> tuple[nn.Module, list[str]]:
    block = torchvision.models.resnet.BasicBlock
    return torchvision.models.ResNet(block, [1, 1, 1, 1]), [f"layer{i}" for i in range(1, 5)]


@pytest.mark.parametrize("make", [resnet, torchvision_resnet])
def test_feature_maps_are_averaged(
    make: Callable[[], tuple[nn.Module, list[str]]], scrambled: Scrambled, tmp_path: Path
) -> None:
    module, names = make()
    body = scrambled(module)
    extractor = feature_extractor(body, pixels())
    hidden, features = hooked(extractor, body, *names)
    # Of one position it cannot be told which axis the channels are, and of as many channels as rows.
    told = [h for h in hidden[:-1] if h.shape[1] != h.shape[2]]
    found = inner(extractor, PIXELS, pixels(), tmp_path)
    assert len(found) == len(told) + 1
    for ours, states in zip(found, told, strict=False):
        torch.testing.assert_close(ours, states.mean((2, 3)))
    assert torch.equal(found[-1], features)


class ChannelsLast(nn.Module):
    """Blocks over feature maps (N, H, W, C)."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 5, 8, 8)
        self.blocks = nn.ModuleList([nn.Linear(5, 5) for _ in range(3)])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = self.patches(images).permute(0, 2, 3, 1)
        for block in self.blocks:
            hidden = torch.relu(block(hidden))
        return hidden.mean((1, 2))


def test_channels_may_come_last(tmp_path: Path) -> None:
    module = ChannelsLast().eval()
    found = inner(module, PIXELS, pixels(), tmp_path)
    hidden, _ = hooked(module, module, "blocks")
    assert len(found) == 3
    for ours, states in zip(found[:-1], hidden, strict=False):
        torch.testing.assert_close(ours, torch.relu(states).mean((1, 2)))


def test_a_model_without_layers_has_its_own_features(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 8), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    (found,) = inner(module, PIXELS, pixels(), tmp_path)
    with torch.no_grad():
        assert torch.equal(found, module(*pixels()))


def test_layers_share_their_blocks_and_equal_states_one_pooling(scrambled: Scrambled, tmp_path: Path) -> None:
    models = {name: feature_extractor(scrambled(vit()), pixels()) for name in ("a", "b")}
    whole = ModelSet.from_modules(BlockStore(tmp_path), models, PIXELS)
    layers, ids = layer_candidates(whole, CPU)
    by_id = {candidate.id: candidate for candidate in layers.candidates}
    assert ids["a"][0] == "a, layer 1 of 3"
    for model in whole.candidates:
        for layer in ids[model.id][:-1]:
            blocks = by_id[layer].blocks
            assert blocks[:-1] == model.blocks[: len(blocks) - 1]
    assert len({by_id[layer].blocks[-1] for own in ids.values() for layer in own[:-1]}) == 1
    assert [by_id[layer].content for layer in ids["a"]] == [by_id[layer].content for layer in ids["b"]]
