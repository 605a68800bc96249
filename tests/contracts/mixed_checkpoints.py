"""Twelve checkpoints of images as twelve tools save them, each with a plain script that computes its features."""

import collections
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image as Image
import timm
import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from timm.data import create_transform, resolve_model_data_config
from timm.models import save_for_hf
from torch import nn
from torchvision import models
from transformers import AutoImageProcessor

Extract = Callable[[list[Image.Image]], torch.Tensor]
"""Images of one batch -> features (N, D)."""
CLIP = {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 32}, "crop_size": 32}
VIT = {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}, "resample": 3}
SIZES = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "image_size": 32,
    "patch_size": 8,
}  # fmt: skip


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def by_processor(folder: Path, body: Callable[[torch.Tensor], torch.Tensor]) -> Extract:
    """As a script with transformers' processor would, one image after the other."""
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    return lambda images: body(
        torch.cat([processor(images=image, return_tensors="pt")["pixel_values"] for image in images])
    )


def by_transforms(transforms: Any, body: Callable[[torch.Tensor], torch.Tensor]) -> Extract:
    return lambda images: body(torch.stack([transforms(image) for image in images]))


def headless(module: nn.Module, head: str) -> nn.Module:
    setattr(module, head, nn.Identity())
    return module.eval()


def vit(seed: int, base: nn.Module | None = None) -> Any:
    torch.manual_seed(0)
    module = transformers.ViTForImageClassification(transformers.ViTConfig(**SIZES))
    torch.manual_seed(seed)
    if base is not None:  # a fine-tune of the last layer
        module.load_state_dict(base.state_dict())
        with torch.no_grad():
            for parameter in module.vit.layers[-1].parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return module.eval()


def class_token(module: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda pixels: module.vit(pixels).last_hidden_state[:, 0]


def saved(root: Path) -> dict[str, Extract]:
    """Save the checkpoints below ``root``; the plain scripts by model id."""
    scripts: dict[str, Extract] = {}
    base = vit(0)
    for name, module, settings in (
        ("vit", base, {}),
        ("trainer", vit(1, base), {}),
        ("sharded", vit(2, base), {"max_shard_size": "40kB"}),
    ):
        module.save_pretrained(root / name, **settings)
        write(root / name / "preprocessor_config.json", VIT)
        scripts[name] = by_processor(root / name, class_token(module))
    vit(3, base).save_pretrained(root / "trainer" / "checkpoint-10")
    (root / "trainer" / "optimizer.pt").write_bytes(b"state")
    scripts["lora"] = lora(root, base)
    scripts["clip"] = clip(root)
    scripts |= torchvision_files(root)
    return scripts | timm_files(root)


def lora(root: Path, base: Any) -> Extract:
    torch.manual_seed(4)
    adapted = get_peft_model(vit(0), LoraConfig(r=2, target_modules=["q_proj"], use_dora=True))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    adapted.save_pretrained(root / "lora")
    config = root / "lora" / "adapter_config.json"
    write(config, {**json.loads(config.read_text()), "base_model_name_or_path": "../vit"})
    return by_processor(root / "vit", class_token(adapted.merge_and_unload().eval()))


def clip(root: Path) -> Extract:
    torch.manual_seed(5)
    text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 20}
    module: Any = transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=SIZES)).eval()
    module.save_pretrained(root / "clip")
    write(root / "clip" / "preprocessor_config.json", CLIP)
    return by_processor(root / "clip", lambda pixels: module.vision_model(pixels).last_hidden_state[:, 0])


def torchvision_files(root: Path) -> dict[str, Extract]:
    torch.manual_seed(6)
    plain, parallel, framework = models.resnet18(), models.mobilenet_v3_small(), models.shufflenet_v2_x0_5()
    torch.save(plain.state_dict(), root / "resnet18.pth")
    state = nn.DataParallel(parallel).state_dict()
    optimizer = torch.optim.AdamW(parallel.parameters())
    torch.save({"model": state, "optimizer": optimizer.state_dict(), "epoch": 3}, root / "mobilenet.pt")
    named = collections.OrderedDict((f"model.{name}", t) for name, t in framework.state_dict().items())
    torch.save({"state_dict": named, "pytorch-lightning_version": "2.5.0", "loops": {}}, root / "lightning.ckpt")
    found = {
        "resnet18": ("resnet18", headless(plain, "fc")),
        "mobilenet": ("mobilenet_v3_small", headless(parallel, "classifier")),
        "lightning": ("shufflenet_v2_x0_5", headless(framework, "fc")),
    }
    return {
        key: by_transforms(models.get_model_weights(name).DEFAULT.transforms(), module)
        for key, (name, module) in found.items()
    }


def timm_files(root: Path) -> dict[str, Extract]:
    torch.manual_seed(7)
    hub, averaged, raw = (timm.create_model("resnet10t", num_classes=3).eval() for _ in range(3))
    save_for_hf(hub, root / "timm-hub")
    torch.save({"state_dict": raw.state_dict(), "state_dict_ema": averaged.state_dict()}, root / "timm-ema.pth")
    write(root / "timm-ema.json", {"source": "timm", "name": "resnet10t"})
    bare = timm.create_model("test_convnext", num_classes=3).eval()
    save_file(bare.state_dict(), root / "timm-bare.safetensors")
    write(root / "timm-bare.json", {"source": "timm", "name": "test_convnext"})
    wrapped = transformers.TimmWrapperForImageClassification(
        transformers.TimmWrapperConfig(architecture="test_efficientnet", num_labels=3)
    ).eval()
    wrapped.save_pretrained(root / "timm-wrapped")
    inner: Any = wrapped.timm_model
    found: dict[str, Any] = {"timm-hub": hub, "timm-ema": averaged, "timm-bare": bare, "timm-wrapped": inner}
    scripts = {}
    for key, module in found.items():
        transforms = create_transform(**resolve_model_data_config(module), is_training=False)
        module.reset_classifier(0)
        scripts[key] = by_transforms(transforms, module)
    return scripts
