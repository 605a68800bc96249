"""Features of transformers' image models are what the library gives to their own classifier, of whatever kind."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from alsatian.models.reading.inputs.settings import Reading
from alsatian.models.reading.parameters.loading import Loaded
from alsatian.models.reading.saved_models import open_folder

PIXELS = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
TOKENS = {
    "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64, "image_size": 64,
    "patch_size": 16,
}  # fmt: skip
MAPS = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
SWIN = {"embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4, "image_size": 64}
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("ViT", TOKENS),
    ("DeiT", TOKENS),
    ("ViTMSN", TOKENS),
    ("Beit", {**TOKENS, "use_mean_pooling": True}),
    ("Beit", {**TOKENS, "use_mean_pooling": False}),
    ("Data2VecVision", {**TOKENS, "use_mean_pooling": True}),
    ("Dinov2", TOKENS),
    ("Dinov2WithRegisters", TOKENS),
    ("IJepa", TOKENS),
    ("ConvNext", MAPS),
    ("ConvNextV2", MAPS),
    ("ResNet", {**MAPS, "embedding_size": 8, "layer_type": "basic"}),
    ("RegNet", {**MAPS, "embedding_size": 8, "groups_width": 8}),
    ("Bit", {**MAPS, "embedding_size": 8, "num_groups": 4}),
    ("Swin", SWIN),
    ("Swinv2", SWIN),
    (
        "FocalNet",
        {"embed_dim": 16, "depths": [1, 1], "image_size": 64, "focal_levels": [2, 2], "focal_windows": [3, 3]},
    ),
    ("PoolFormer", MAPS),
    ("MobileNetV2", {"depth_multiplier": 0.35}),
    ("EfficientNet", {"width_coefficient": 0.3, "depth_coefficient": 0.2, "hidden_dim": 384}),
]


def opened(folder: Path) -> Loaded:
    (folder / "alsatian.json").write_text('{"size": 64}')
    return open_folder(folder, folder.parent / "architectures", Reading())


def saved(folder: Path, kind: str, options: dict[str, Any], base: bool = False) -> Any:
    """A classifier of ``kind``, with itself or its base model in ``folder``."""
    torch.manual_seed(0)
    model_class = getattr(transformers, f"{kind}ForImageClassification")
    module = model_class(model_class.config_class(**options)).eval()
    (module.base_model if base else module).save_pretrained(folder)
    return module


def given_to_head(module: Any) -> torch.Tensor:
    """What the classifier of ``module`` is given for ``PIXELS``."""
    seen: list[torch.Tensor] = []
    module.classifier.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        module(PIXELS)
    (found,) = seen
    return found.flatten(1)


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_features_are_what_the_head_is_given(tmp_path: Path, kind: str, options: dict[str, Any]) -> None:
    module = saved(tmp_path / "m", kind, options)
    with torch.no_grad():
        found = opened(tmp_path / "m").module(PIXELS)
    torch.testing.assert_close(found, given_to_head(module), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("kind", "options"), [KINDS[0], KINDS[6], KINDS[9]])
def test_base_models_give_the_same_and_share_every_block(
    tmp_path: Path, kind: str, options: dict[str, Any]
) -> None:
    module = saved(tmp_path / "base", kind, options, base=True)
    saved(tmp_path / "task", kind, options)
    base, task = opened(tmp_path / "base"), opened(tmp_path / "task")
    with torch.no_grad():
        torch.testing.assert_close(base.module(PIXELS), given_to_head(module), rtol=1e-5, atol=1e-6)
    assert [s.fingerprint for s in base.built.segments] == [s.fingerprint for s in task.built.segments]
