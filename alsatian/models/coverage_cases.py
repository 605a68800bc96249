"""The architectures whose coverage is measured, as data."""

from collections.abc import Mapping, Sequence
from typing import Any

from alsatian.blocks.candidate import ArchitectureSpec
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.data.text import TextPreprocessing
from alsatian.errors import ConfigError, nearest
from alsatian.models.coverage import Case

TOKENS = 16
VOCABULARY = 96
IMAGE_SIZE = 64
"""Pixels where a model takes any size; small, since exactness does not need more."""
TORCHVISION_SIZES = {"inception_v3": 96, "maxvit_t": 224, "vit_h_14": 56}
"""Sizes that a builder asks for. Swin keeps its usual one, since smaller maps have no shifted windows."""

Options = Mapping[str, Any]

_BERT: Options = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}
_GPT: Options = {
    "vocab_size": VOCABULARY,
    "n_embd": 32,
    "n_layer": 3,
    "n_head": 4,
    "n_positions": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_LLAMA: Options = {**_BERT, "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 0}
_T5: Options = {"vocab_size": VOCABULARY, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 3, "num_heads": 4}
_BART: Options = {
    "vocab_size": VOCABULARY,
    "d_model": 32,
    "encoder_layers": 3,
    "decoder_layers": 3,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "max_position_embeddings": 64,
}
_VIT: Options = {
    "image_size": 64,
    "patch_size": 16,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
_STAGES: Options = {"embedding_size": 16, "hidden_sizes": [16, 24, 32, 40], "depths": [2, 2, 2, 2]}
_SWIN: Options = {
    "image_size": 64,
    "patch_size": 4,
    "embed_dim": 16,
    "depths": [2, 2, 2],
    "num_heads": [2, 4, 4],
    "window_size": 4,
}
_DETR: Options = {
    "use_timm_backbone": False,
    "use_pretrained_backbone": False,
    "backbone": None,
    "backbone_config": {"model_type": "resnet", **_STAGES, "out_features": ["stage2", "stage3", "stage4"]},
    "d_model": 32,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
}

VISION: Mapping[str, Options] = {
    "ViTModel": _VIT,
    "ViTForImageClassification": _VIT,
    "DeiTModel": _VIT,
    "BeitModel": {**_VIT, "use_relative_position_bias": True, "layer_scale_init_value": 0.1},
    "Dinov2Model": _VIT,
    "Dinov2WithRegistersModel": {**_VIT, "num_register_tokens": 2},
    "Dinov2ForImageClassification": _VIT,
    "DINOv3ViTModel": _VIT,
    "Data2VecVisionModel": _VIT,
    "IJepaModel": _VIT,
    "ViTMSNModel": _VIT,
    "ViTMAEModel": _VIT,
    "YolosModel": {**_VIT, "image_size": [64, 64], "num_detection_tokens": 4},
    "CLIPVisionModel": _VIT,
    "SiglipVisionModel": _VIT,
    "SwinModel": _SWIN,
    "SwinForImageClassification": _SWIN,
    "Swinv2Model": _SWIN,
    "FocalNetModel": {"image_size": 64, "embed_dim": 16, "depths": [2, 2, 2]},
    "HieraModel": {
        "image_size": [64, 64],
        "embed_dim": 16,
        "depths": [1, 2, 2],
        "num_heads": [1, 2, 4],
        "num_query_pool": 2,
        "masked_unit_size": [4, 4],
    },
    "ConvNextModel": {"hidden_sizes": [16, 24, 32, 40], "depths": [2, 2, 2, 2]},
    "ConvNextV2Model": {"hidden_sizes": [16, 24, 32, 40], "depths": [2, 2, 2, 2]},
    "ResNetModel": _STAGES,
    "ResNetForImageClassification": {**_STAGES, "layer_type": "basic"},
    "RegNetModel": {**_STAGES, "groups_width": 8},
    "BitModel": {**_STAGES, "num_groups": 8},
    "MobileNetV1Model": {"depth_multiplier": 0.25},
    "MobileNetV2Model": {"depth_multiplier": 0.35},
    "MobileViTModel": {
        "image_size": 64,
        "hidden_sizes": [16, 24, 32],
        "neck_hidden_sizes": [8, 8, 16, 16, 24, 32, 64],
    },
    "MobileViTV2Model": {"image_size": 64, "width_multiplier": 0.25},
    "EfficientNetModel": {"width_coefficient": 0.25, "depth_coefficient": 0.5, "hidden_dim": 320},
    "SegformerModel": {"hidden_sizes": [8, 16, 32, 40], "decoder_hidden_size": 16},
    "SegformerForImageClassification": {"hidden_sizes": [8, 16, 32, 40], "decoder_hidden_size": 16},
    "PvtModel": {"image_size": 64, "hidden_sizes": [8, 16, 40, 64], "num_attention_heads": [1, 2, 5, 8]},
    "PvtV2Model": {"image_size": 64, "hidden_sizes": [8, 16, 40, 64], "num_attention_heads": [1, 2, 5, 8]},
    "LevitModel": {"image_size": 64, "hidden_sizes": [32, 48, 64], "key_dim": [8, 8, 8]},
    "CvtModel": {"embed_dim": [16, 24, 32], "num_heads": [1, 2, 4], "depth": [1, 2, 3]},
    "PoolFormerModel": {"hidden_sizes": [16, 24, 32, 40]},
    "SwiftFormerModel": {"depths": [2, 2, 2, 2], "embed_dims": [16, 24, 32, 40]},
    "DetrForObjectDetection": _DETR,
    "ConditionalDetrForObjectDetection": _DETR,
    "DeformableDetrForObjectDetection": {**_DETR, "decoder_layers": 2},
    "TableTransformerForObjectDetection": _DETR,
}

TEXT: Mapping[str, Options] = {
    "BertModel": _BERT,
    "BertForSequenceClassification": _BERT,
    "RobertaModel": _BERT,
    "RobertaForMaskedLM": _BERT,
    "XLMRobertaModel": _BERT,
    "CamembertModel": _BERT,
    "DistilBertModel": {"vocab_size": VOCABULARY, "dim": 32, "hidden_dim": 64, "n_layers": 3, "n_heads": 4},
    "AlbertModel": {**_BERT, "embedding_size": 16},
    "ElectraModel": {**_BERT, "embedding_size": 16},
    "MPNetModel": _BERT,
    "DebertaModel": {**_BERT, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "DebertaV2Model": {**_BERT, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "MobileBertModel": {**_BERT, "embedding_size": 16, "intra_bottleneck_size": 16},
    "SqueezeBertModel": {**_BERT, "embedding_size": 32},
    "FunnelModel": {
        "vocab_size": VOCABULARY,
        "d_model": 32,
        "n_head": 4,
        "d_head": 8,
        "d_inner": 64,
        "block_sizes": [1, 1, 1],
    },
    "ConvBertModel": {**_BERT, "embedding_size": 32},
    "NystromformerModel": {**_BERT, "num_landmarks": TOKENS, "segment_means_seq_len": TOKENS},
    "RoFormerModel": {**_BERT, "embedding_size": 32},
    "ErnieModel": _BERT,
    "MegatronBertModel": _BERT,
    "Data2VecTextModel": _BERT,
    "LayoutLMModel": _BERT,
    "RemBertModel": {**_BERT, "input_embedding_size": 16},
    "XLMModel": {"n_words": VOCABULARY, "emb_dim": 32, "n_layers": 3, "n_heads": 4, "max_position_embeddings": 64},
    "ModernBertModel": {**_BERT, "pad_token_id": 0},
    "EsmModel": {**_BERT, "pad_token_id": 1, "mask_token_id": 2},
    "FNetModel": _BERT,
    "LongformerModel": {**_BERT, "attention_window": 8},
    "BigBirdModel": {**_BERT, "attention_type": "original_full"},
    "CanineModel": _BERT,
    "XLNetModel": {"vocab_size": VOCABULARY, "d_model": 32, "n_layer": 3, "n_head": 4, "d_inner": 64},
    "CLIPTextModel": {**_BERT, "eos_token_id": 2},
    "GPT2Model": _GPT,
    "GPT2ForSequenceClassification": {**_GPT, "pad_token_id": 0},
    "GPTNeoModel": {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "max_position_embeddings": 64,
        "num_layers": 4,
        "num_heads": 4,
        "attention_types": [[["global", "local"], 2]],
        "window_size": 8,
    },
    "GPTNeoXModel": _BERT,
    "GPTJModel": {**_GPT, "rotary_dim": 4},
    "GPTBigCodeModel": _GPT,
    "CodeGenModel": {**_GPT, "rotary_dim": 4},
    "OpenAIGPTModel": _GPT,
    "OPTModel": {**_BERT, "ffn_dim": 64, "word_embed_proj_dim": 32},
    "BloomModel": {"vocab_size": VOCABULARY, "hidden_size": 32, "n_layer": 3, "n_head": 4},
    "FalconModel": _BERT,
    "MptModel": {"vocab_size": VOCABULARY, "d_model": 32, "n_layers": 3, "n_heads": 4, "max_seq_len": 64},
    "LlamaModel": _LLAMA,
    "LlamaForSequenceClassification": _LLAMA,
    "MistralModel": {**_LLAMA, "sliding_window": 8},
    "Qwen2Model": _LLAMA,
    "Qwen3Model": _LLAMA,
    "GemmaModel": _LLAMA,
    "Gemma2Model": {**_LLAMA, "sliding_window": 8},
    "PhiModel": {**_BERT, "pad_token_id": 0},
    "Phi3Model": {**_BERT, "pad_token_id": 0},
    "StableLmModel": {**_BERT, "num_key_value_heads": 2},
    "OlmoModel": {**_BERT, "num_key_value_heads": 2},
    "BioGptModel": _BERT,
    "T5Model": _T5,
    "T5ForConditionalGeneration": {**_T5, "feed_forward_proj": "gated-gelu"},
    "MT5Model": _T5,
    "BartModel": _BART,
    "BartForSequenceClassification": _BART,
    "MBartModel": _BART,
    "PegasusModel": _BART,
    "M2M100Model": _BART,
    "LEDModel": {**_BART, "attention_window": 8},
}

SAMPLE = (
    "torchvision/resnet18",
    "transformers/BertModel",
    "torchvision/efficientnet_b0",
    "transformers/ViTForImageClassification",
    "transformers/GPT2Model",
    "torchvision/squeezenet1_1",
    "transformers/AlbertModel",
    "transformers/DetrForObjectDetection",
    "torchvision/mobilenet_v3_small",
    "transformers/T5Model",
    "transformers/ConvNextModel",
    "transformers/LlamaModel",
)
"""Small and different ones, for a quick answer."""


def torchvision_cases() -> list[Case]:
    """Every classification model that torchvision lists."""
    from torchvision import models  # takes seconds to import

    found = []
    for name in models.list_models(module=models):
        size = TORCHVISION_SIZES.get(name, 224 if name.startswith("swin") else IMAGE_SIZE)
        options = {"image_size": size} if name.startswith("vit") else {}
        # Weights are drawn here anyway; the builders' own drawing takes minutes and would warn.
        if name in ("googlenet", "inception_v3"):
            options = {"init_weights": False}
        found.append(Case(ArchitectureSpec("torchvision", name, options), ImagePreprocessing(size)))
    return found


def transformers_cases() -> list[Case]:
    """Model classes of transformers, small ones, in the order of the tables."""
    image = ImagePreprocessing(IMAGE_SIZE)
    text = TextPreprocessing("", TOKENS)
    return [Case(ArchitectureSpec("transformers", name, options), image) for name, options in VISION.items()] + [
        Case(ArchitectureSpec("transformers", name, options), text, VOCABULARY) for name, options in TEXT.items()
    ]


def select(names: Sequence[str] = (), sample: int | None = None) -> list[Case]:
    """All cases, those called ``names`` (with or without the library), or a fixed mix of ``sample`` cases.

    Raises:
        ConfigError: there is no case of that name.
    """
    cases = {case.name: case for case in (*torchvision_cases(), *transformers_cases())}
    if names:
        short = {name.split("/")[1]: name for name in cases}
        for name in names:
            if name not in cases and name not in short:
                raise ConfigError(f"no architecture '{name}' is covered; {nearest(name, short)}")
        return [cases[short.get(name, name)] for name in names]
    if sample is None:
        return list(cases.values())
    rest = [name for name in cases if name not in SAMPLE]
    # Beyond the fixed sample, evenly spaced ones.
    more = max(0, sample - len(SAMPLE))
    spaced = [rest[i * len(rest) // more] for i in range(min(more, len(rest)))] if more < len(rest) else rest
    return [cases[name] for name in (*SAMPLE[:sample], *spaced)]
