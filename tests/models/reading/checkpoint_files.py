"""Small checkpoints in the layouts that others use, and what is stored of them, for the tests of folders."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

RESNET = {"source": "torchvision", "name": "resnet18", "size": 32}


class Malicious:
    """Unpickling it makes the file that it names."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (exec, (f"open({str(self.marker)!r}, 'w').close()",))


def vit(seed=0, labels=3):
    """A small vision transformer with a classifier."""
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(seed)
    config = ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=32,
        patch_size=8, num_labels=labels,
    )  # fmt: skip
    return ViTForImageClassification(config).eval()


def save_vit(module, folder, **options):
    """Save with a preprocessor for 32 pixels."""
    module.save_pretrained(folder, **options)
    value = {"size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3, "image_std": [0.25] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(value))
    return folder


def bert(seed=0):
    """A small BERT with a classifier."""
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(seed)
    config = BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, vocab_size=50,
        max_position_embeddings=16,
    )  # fmt: skip
    return BertForSequenceClassification(config).eval()


def save_bert(module, folder):
    """Save with a tokenizer of three words."""
    module.save_pretrained(folder)
    Tokenizer(WordLevel({"a": 0, "b": 1, "[UNK]": 2}, unk_token="[UNK]")).save(str(folder / "tokenizer.json"))
    return folder


def resnet(seed=0):
    """A ResNet-18 of five classes."""
    from torchvision.models import resnet18

    torch.manual_seed(seed)
    return resnet18(num_classes=5).eval()


def write_lora(folder, base, layers, rank=2, size=32):
    """An adapter of ``layers``, all of whose weights are ``size`` by ``size``."""
    folder.mkdir(parents=True)
    config = {"peft_type": "LORA", "base_model_name_or_path": base, "r": rank, "lora_alpha": 4}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    generator = torch.Generator().manual_seed(5)
    tensors = {}
    for layer in layers:
        tensors[f"base_model.model.{layer}.lora_A.weight"] = torch.randn(rank, size, generator=generator)
        tensors[f"base_model.model.{layer}.lora_B.weight"] = torch.randn(size, rank, generator=generator)
    save_file(tensors, folder / "adapter_model.safetensors")
    return tensors


def identities(store, model_id):
    return [block.identity for block in store.model(model_id).blocks]


def shared(store, ours, theirs):
    """Length of the common prefix."""
    pairs = zip(identities(store, ours), identities(store, theirs), strict=True)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), len(identities(store, ours)))


def features(store, model_id, *inputs):
    """What the stored blocks compute."""
    from alsatian.models.model_set import ModelSet

    opened = ModelSet.open(store, [model_id])
    state = inputs
    with torch.no_grad():
        for block in opened.candidates[0].blocks:
            segment = opened.segments[block.identity]
            state = segment(state, segment.prepare(store.load_block(block.identity, model_id)))
    return state[0]
