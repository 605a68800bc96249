"""Where the head is, and how what is left becomes one vector per item."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from alsatian.blocks.candidate import ArchitectureSpec
from alsatian.errors import ConfigError
from alsatian.models.reading.architectures import build
from alsatian.models.reading.features.extractor import ImageExtractor, TextExtractor, feature_extractor
from experiments.studies.coverage.cases import TEXT, TOKENS, VISION, select
from experiments.studies.coverage.measurement import check

PIXELS = (torch.zeros(2, 3, 64, 64),)
TOKENS_AND_MASK = (torch.zeros(2, TOKENS, dtype=torch.int64), torch.ones(2, TOKENS, dtype=torch.int64))


class Body(nn.Module):
    """Returns what it is given in a shape (2, *shape), has a head, and maybe a parameter of some name."""

    def __init__(self, *shape: int, parameter: str | None = None) -> None:
        super().__init__()
        self.shape = shape
        self.fc = nn.Linear(1, 1)
        if parameter:
            self.register_parameter(parameter, nn.Parameter(torch.zeros(())))

    def forward(self, *inputs: torch.Tensor, **named: torch.Tensor) -> torch.Tensor:
        return torch.arange(2.0 * torch.Size(self.shape).numel()).reshape(2, *self.shape)


@pytest.mark.parametrize(
    ("body", "pooling"),
    [
        (Body(8), "none"),
        (Body(8, 4, 4), "global_average"),
        (Body(5, 8), "mean_tokens"),
        (Body(5, 8, parameter="cls_token"), "class_token"),
        (Body(5, 8, parameter="class_embedding"), "class_token"),
        (Body(8, 4, 4, parameter="cls_token"), "global_average"),
    ],
)
def test_pooling_of_images_follows_the_shape(body: nn.Module, pooling: str) -> None:
    found = feature_extractor(body, PIXELS)
    assert isinstance(found, ImageExtractor)
    assert found.pooling == pooling
    assert found(*PIXELS).shape == (2, 8)


def test_tokens_of_text_are_averaged_by_the_mask() -> None:
    found = feature_extractor(Body(TOKENS, 8, parameter="cls_token"), TOKENS_AND_MASK)
    assert isinstance(found, TextExtractor)
    assert found.pooling == "mean_tokens"
    mask = torch.zeros(2, TOKENS, dtype=torch.int64)
    mask[:, 0] = 1
    mask[1, 1] = 1
    hidden = Body(TOKENS, 8)()
    expected = torch.stack([hidden[0, 0], (hidden[1, 0] + hidden[1, 1]) / 2])
    assert torch.equal(found(TOKENS_AND_MASK[0], mask), expected)
    # A text of padding alone gives zeros, not a division by zero.
    assert torch.equal(found(TOKENS_AND_MASK[0], torch.zeros_like(mask)), torch.zeros(2, 8))


def test_a_given_pooling_is_kept() -> None:
    found = feature_extractor(Body(5, 8), PIXELS, "class_token")
    assert torch.equal(found(*PIXELS), Body(5, 8)()[:, 0])
    with pytest.raises(ConfigError, match="pooling 'middle' is unknown; valid are: class_token"):
        feature_extractor(Body(5, 8), PIXELS, "middle")


@pytest.mark.parametrize(
    ("body", "example", "reason"),
    [
        (Body(2, 2, 2, 2), PIXELS, "5 dimensions"),
        (Body(TOKENS // 2, 8), TOKENS_AND_MASK, f"{TOKENS // 2} hidden states for {TOKENS} tokens"),
        (nn.Linear(3, 3), PIXELS, "Linear has no head under heads, head, classifier, fc"),
    ],
)
def test_what_the_rules_do_not_cover_is_refused(body: nn.Module, example: Any, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        feature_extractor(body, example)


def extractor(name: str) -> nn.Module:
    (case,) = select([name])
    return build(case.spec, case.preprocessing)


@pytest.mark.parametrize(
    ("name", "pooling", "features", "gone"),
    [
        ("resnet18", "none", 512, "fc"),
        ("mobilenet_v3_small", "none", 576, "classifier"),
        ("squeezenet1_1", "global_average", 512, "classifier"),
        ("alexnet", "none", 9216, "classifier"),
        ("shufflenet_v2_x0_5", "none", 1024, "fc"),
        ("swin_t", "none", 768, "head"),
    ],
)
def test_heads_of_torchvision(name: str, pooling: str, features: int, gone: str) -> None:
    found = extractor(name)
    assert found.pooling == pooling
    assert not any(parameter.startswith(f"body.{gone}.") for parameter, _ in found.named_parameters())
    size = 224 if name.startswith("swin") else 64
    with torch.no_grad():
        assert found.eval()(torch.zeros(1, 3, size, size)).shape == (1, features)


@pytest.mark.parametrize(
    ("head", "base"),
    [
        ("BertForSequenceClassification", "BertModel"),
        ("RobertaForMaskedLM", "RobertaModel"),
        ("GPT2ForSequenceClassification", "GPT2Model"),
        ("LlamaForSequenceClassification", "LlamaModel"),
        ("BartForSequenceClassification", "BartModel"),
        ("ViTForImageClassification", "ViTModel"),
        ("Dinov2ForImageClassification", "Dinov2Model"),
        ("SwinForImageClassification", "SwinModel"),
        ("SegformerForImageClassification", "SegformerModel"),
    ],
)
def test_a_task_head_leaves_no_trace(head: str, base: str) -> None:
    def shapes(name: str) -> dict[str, torch.Size]:
        # What is above the hidden states (BERT's pooler) is there in the base model only, and read by neither.
        named = extractor(name).named_parameters()
        return {name: parameter.shape for name, parameter in named if ".pooler." not in name}

    assert shapes(head) == shapes(base)


@pytest.mark.parametrize(
    "name", ["DetrForObjectDetection", "DeformableDetrForObjectDetection", "TableTransformerForObjectDetection"]
)
def test_of_a_detector_the_convolutional_backbone_is_taken(name: str) -> None:
    found = extractor(name)
    assert found.pooling == "global_average"
    assert isinstance(found.body, nn.Module)
    assert type(found.body).__name__ == "ResNetBackbone"
    with torch.no_grad():
        # The last of its feature maps, not the first.
        assert found.eval()(*PIXELS).shape == (2, VISION[name]["backbone_config"]["hidden_sizes"][-1])


@pytest.mark.parametrize("name", ["T5Model", "T5ForConditionalGeneration", "BartModel"])
def test_of_an_encoder_decoder_the_encoder_is_taken(name: str) -> None:
    found = extractor(name)
    assert not any("decoder" in parameter for parameter, _ in found.named_parameters())
    with torch.no_grad():
        assert found.eval()(*TOKENS_AND_MASK).shape == (2, TEXT[name]["d_model"])


def test_a_decoder_keeps_no_keys_and_values() -> None:
    found = extractor("GPT2Model")
    body: Any = found.body
    assert body.config.use_cache is False


def test_a_masked_autoencoder_sees_the_whole_image() -> None:
    found = extractor("ViTMAEModel").eval()
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(found(pixels), found(pixels))


@pytest.mark.parametrize("name", ["LongformerModel", "LEDModel"])
def test_of_sparse_attention_only_windows_are_left_and_that_can_be_exported(name: str) -> None:
    row = check(*select([name]))
    assert row.error == ""
    assert row.exact
    assert row.blocks > 4
    found = extractor(name).eval()
    ids = torch.arange(6, 6 + TOKENS).expand(2, -1)
    mask = (torch.arange(TOKENS) < torch.tensor([[TOKENS], [TOKENS - 3]])).to(torch.int64)
    with torch.no_grad():
        expected = found(ids, mask)
        for part in found.modules():
            part._forward_pre_hooks.clear()
        assert torch.equal(found(ids, mask), expected)


class Timm(nn.Module):
    """The interface of timm's models: they pool in front of the head, and drop it themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.num_classes = 10
        self.stem = nn.Conv2d(3, 6, 4, stride=4)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 10))

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        self.num_classes = num_classes
        self.head[2] = nn.Linear(6, num_classes) if num_classes else nn.Identity()

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.stem(x)
        return out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(self.forward_features(x))
        return out


def test_a_model_of_timm_drops_its_head_and_keeps_its_pooling() -> None:
    module = Timm()
    found = feature_extractor(module, PIXELS)
    assert module.num_classes == 0
    assert found.pooling == "none"
    assert torch.equal(found(*PIXELS), module.stem(PIXELS[0]).mean((2, 3)))


def test_an_output_without_a_last_hidden_state_gives_its_last_feature_map() -> None:
    class Maps(Body):
        def forward(self, *inputs: torch.Tensor, **named: torch.Tensor) -> Any:
            return SimpleNamespace(feature_maps=(torch.zeros(2, 4, 8, 8), torch.ones(2, 8, 4, 4)))

    found = feature_extractor(Maps(), PIXELS)
    assert found.pooling == "global_average"
    assert torch.equal(found(*PIXELS), torch.ones(2, 8))


def test_an_unknown_transformers_class_is_refused() -> None:
    (case,) = select(["ViTModel"])
    with pytest.raises(ConfigError, match="no model class 'ViTModle'"):
        build(ArchitectureSpec("transformers", "ViTModle"), case.preprocessing)
