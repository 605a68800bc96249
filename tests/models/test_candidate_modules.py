"""Candidates as modules: their features are the search's, bit for bit, whatever library they come from."""

import json
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torchvision.models import VisionTransformer

from alsatian.blocks.candidate import ArchitectureSpec, Candidate
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import ConfigError, StoreError
from alsatian.models.candidate_modules import module_of
from alsatian.models.model_set import ModelSet
from alsatian.models.reading.architectures import architecture, build
from alsatian.models.sets.folder import FolderSet
from alsatian.models.storing import add_module
from alsatian.store.store import BlockStore
from tests.models.reading.checkpoint_files import RESNET, bert, resnet, save_bert, save_vit, vit, write_lora
from tests.stores import add_model

IMAGES = ("resnet", "transformer", "timm", "vit", "lora")
TEXT = ("bert",)
# Its attention has a faster path for inference, which other numbers come out of.
TRANSFORMER = {
    "source": "torchvision", "name": "VisionTransformer", "size": 32,
    "options": {
        "image_size": 32, "patch_size": 8, "num_layers": 2, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 32,
        "num_classes": 3,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One model of each library, with parameters that are all different, and an adapter."""
    root = tmp_path_factory.mktemp("models")
    generator = torch.Generator().manual_seed(7)
    modules = {"vit": vit(), "bert": bert(), "resnet": resnet(), "timm": timm.create_model("resnet10t")}
    modules["transformer"] = VisionTransformer(**TRANSFORMER["options"])
    for module in modules.values():
        with torch.no_grad():
            for tensor in (*module.parameters(), *module.buffers()):
                if tensor.is_floating_point():
                    tensor.add_(0.05 * torch.rand(tensor.shape, generator=generator))
    save_vit(modules["vit"], root / "images" / "vit")
    write_lora(root / "images" / "lora", "../vit", ["vit.layers.1.attention.q_proj"])
    timm_s = {"source": "timm", "name": "resnet10t", "size": 32}
    for name, statement in (("resnet", RESNET), ("timm", timm_s), ("transformer", TRANSFORMER)):
        save_file(modules[name].state_dict(), root / "images" / f"{name}.safetensors")
        (root / "images" / f"{name}.json").write_text(json.dumps(statement))
    save_bert(modules["bert"], root / "texts" / "bert")
    return root


@pytest.fixture(scope="module")
def models(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelSet]:
    """By modality."""
    store = BlockStore(tmp_path_factory.mktemp("store"))
    return {
        kind: FolderSet(path=folder / kind, length=8, modality=kind[:-1]).open(store)
        for kind in ("images", "texts")
    }


def searched(models: ModelSet, model_id: str, *inputs: torch.Tensor) -> torch.Tensor:
    """What the stored blocks compute of ``inputs``, as a search has it."""
    (candidate,) = (c for c in models.candidates if c.id == model_id)
    state = inputs
    with torch.no_grad():
        for block in candidate.blocks:
            segment = models.segments[block.identity]
            state = segment(state, segment.prepare(models.store.load_block(block.identity, model_id)))
    return state[0]


@pytest.mark.parametrize(("kind", "name"), [("images", n) for n in IMAGES] + [("texts", n) for n in TEXT])
def test_features_are_the_search_s_bit_for_bit(models: dict[str, ModelSet], kind: str, name: str) -> None:
    candidates = models[kind]
    module = module_of(candidates, name)
    assert not module.training
    if kind == "images":
        inputs = (torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(0)),)
    else:
        ids = torch.tensor([[0, 1, 2, 0, 1, 0, 0, 0], [1, 1, 0, 2, 2, 1, 0, 1], [2, 0, 0, 0, 0, 0, 0, 0]])
        inputs = (ids, torch.tensor([[1] * 5 + [0] * 3, [1] * 8, [1] + [0] * 7]))
    with torch.no_grad():
        found = module(*inputs)
    assert torch.equal(found, searched(candidates, name, *inputs))
    assert torch.isfinite(found).all()
    assert found.std(0).max() > 0


def test_no_call_depends_on_the_caller_s_random_numbers(models: dict[str, ModelSet]) -> None:
    """Not even parameters that no feature depends on, such as the classifier behind a timm model's body."""
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = module_of(models["texts"], "bert").state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    second = module_of(models["texts"], "bert").state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_module_is_the_caller_s_own(models: dict[str, ModelSet]) -> None:
    """Training it changes neither the store nor what the next call gives; every parameter can be trained."""
    module = module_of(models["images"], "vit")
    assert all(parameter.requires_grad for parameter in module.parameters())
    pixels = torch.ones(2, 3, 32, 32)
    with torch.no_grad():
        expected = module(pixels)
        for parameter in module.parameters():
            parameter.add_(1)
        assert torch.equal(module_of(models["images"], "vit")(pixels), expected)


def test_names_that_are_none(models: dict[str, ModelSet]) -> None:
    with pytest.raises(ConfigError, match="no model 'vti'; did you mean 'vit'"):
        module_of(models["images"], "vti")


def test_modules_of_this_process_are_not_built_again(tmp_path: Path, tiny) -> None:
    given = ModelSet.from_modules(BlockStore(tmp_path), {"aaaa": tiny("aaaa")}, ImagePreprocessing(8))
    with pytest.raises(ConfigError, match="'aaaa' was given as a module"):
        module_of(given, "aaaa")


def test_chains_that_end_early_are_refused(tmp_path: Path) -> None:
    options = {"image_size": 16, "patch_size": 8, "num_layers": 1, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 16}
    spec, preprocessing = ArchitectureSpec("torchvision", "VisionTransformer", options), ImagePreprocessing(16)
    store, built = BlockStore(tmp_path), architecture(spec, preprocessing)
    whole = add_module(store, "whole", build(spec, preprocessing), built, spec, preprocessing)
    add_model(store, Candidate("early", whole.blocks[:-1], spec, preprocessing))
    models = ModelSet.open(store, ["early"])
    with pytest.raises(StoreError, match=f"'early' has {len(built.segments) - 1} blocks"):
        module_of(models, "early")
