"""Layers as the paper counts them, and searches of a model's last ones over their cached input."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from alsatian.api import search
from alsatian.blocks.candidate import ArchitectureSpec
from alsatian.data.digits import digits
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import ConfigError
from alsatian.models.layers import layers
from alsatian.models.model_set import ModelSet
from alsatian.models.reading.architectures import architecture
from alsatian.models.sets.last_layers import SavedState, cached_inputs, last_layers
from alsatian.models.sets.synthetic import SyntheticSet
from alsatian.store.store import BlockStore
from experiments.configuration.setup import strategy_named

VIT = {"image_size": 32, "patch_size": 16, "num_layers": 4, "num_heads": 2, "hidden_dim": 32, "mlp_dim": 128}
RESNET = {"embedding_size": 8, "hidden_sizes": [8, 8, 16, 16], "depths": [1, 2, 1, 1], "layer_type": "basic"}
DATA = digits(40)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    """One small vision transformer."""
    store = BlockStore(tmp_path_factory.mktemp("store"))
    return SyntheticSet(count=1, architecture="VisionTransformer", options=VIT, size=32).open(store)


@pytest.mark.parametrize(
    ("source", "name", "options", "expected"),
    [
        ("torchvision", "VisionTransformer", VIT, [f"encoder.layers.encoder_layer_{i}" for i in range(4)]),
        ("torchvision", "resnet18", {}, [f"layer{i}.{j}" for i in range(1, 5) for j in range(2)]),
        (
            "transformers", "ResNetModel", RESNET,
            [f"encoder.stages.{i}.layers.{j}" for i, j in ((0, 0), (1, 0), (1, 1), (2, 0), (3, 0))],
        ),
    ],
)  # fmt: skip
def test_layers_are_those_of_the_librarys_code(
    source: str, name: str, options: dict[str, object], expected: list[str]
) -> None:
    segments = architecture(ArchitectureSpec(source, name, options), ImagePreprocessing(32)).segments
    found = layers(segments)
    assert [layer.name for layer in found[1:]] == expected  # the first is what comes before
    assert [layer.start for layer in found] == [0, *(layer.stop for layer in found[:-1])]
    assert found[-1].stop == len(segments)


def test_layers_of_a_transformer_have_its_parameters(models: ModelSet) -> None:
    (candidate,) = models.candidates
    found = layers([models.segments[block.identity] for block in candidate.blocks])
    sizes = [sum(block.parameter_bytes for block in candidate.blocks[one.start : one.stop]) // 4 for one in found]
    # 12 d² + 13 d, and the last norm's 2 d: the paper's 12596224 and 12598272 for d = 1024.
    assert sizes[1:] == [12 * 32**2 + 13 * 32] * 3 + [12 * 32**2 + 15 * 32]


def test_scores_of_the_last_layers_are_those_of_the_model(models: ModelSet) -> None:
    inputs = cached_inputs(models, DATA, 3)
    whole = search(models, DATA, strategy=strategy_named("base"), batch_size=16, verify=True)
    cut = search(last_layers(models, 3), inputs, strategy=strategy_named("base"), batch_size=16, verify=True)
    assert list(cut.rounds[0].fingerprints.values()) == list(whole.rounds[0].fingerprints.values())
    assert list(cut.rounds[0].scores.values()) == list(whole.rounds[0].scores.values())
    assert 0 < cut.measurement.counters["block_executions"] < whole.measurement.counters["block_executions"]
    assert cut.measurement.counters["bytes_read"] < whole.measurement.counters["bytes_read"]


def test_inputs_are_computed_once(models: ModelSet, monkeypatch: pytest.MonkeyPatch) -> None:
    before = cached_inputs(models, DATA, 2)
    monkeypatch.setattr(torch.Tensor, "contiguous", lambda *_: pytest.fail("computed again"))
    again = cached_inputs(models, DATA, 2)
    assert list(again.train_items) == list(before.train_items)
    assert again.digest == before.digest


def test_inputs_that_are_gone_end_in_one_line(models: ModelSet, tmp_path: Path) -> None:
    inputs = cached_inputs(models, DATA, 1)
    items = inputs.train_items.copy()
    items[0] = tmp_path / "gone.safetensors"
    (candidate,) = last_layers(models, 1).candidates
    with pytest.raises(ConfigError, match=r"gone\.safetensors"):
        candidate.preprocessing(items)
    assert SavedState.like(candidate.preprocessing.example()) == candidate.preprocessing


def test_too_many_layers_and_models_are_refused(models: ModelSet) -> None:
    with pytest.raises(ConfigError, match="the model has 5 layers; choose 1 to 4"):
        last_layers(models, 5)
    (candidate,) = models.candidates
    two = ModelSet((candidate, replace(candidate, id="other")), models.store, models.segments)
    with pytest.raises(ConfigError, match="2 models"):
        cached_inputs(two, DATA, 1)
