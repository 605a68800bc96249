"""Further models of a known architecture cost no more than their parameters."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from alsatian.blocks.split import split
from alsatian.errors import ConfigError
from alsatian.models.reading import state_models, torchvision_files
from alsatian.models.reading.architectures import build
from alsatian.models.reading.inputs.settings import Reading
from alsatian.models.reading.parameters.checkpoints import Checkpoint
from alsatian.models.reading.parameters.loading import Loaded
from alsatian.models.reading.state_models import open_state

VIT = {"image_size": 16, "patch_size": 8, "num_layers": 1, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 16}
MODELS: dict[str, dict[str, Any]] = {
    "torchvision": {"source": "torchvision", "name": "VisionTransformer", "options": VIT, "size": 16},
    # With convolutions in its head; with tables that are made when it is built; with batch norm; of timm.
    "squeezenet": {"source": "torchvision", "name": "squeezenet1_1", "size": 32},
    "tables": {"source": "timm", "name": "test_vit_relpos"},
    "resnet": {"source": "torchvision", "name": "resnet18", "size": 32},
}


def built(stated: dict[str, Any], seed: int) -> torch.nn.Module:
    import timm
    from torchvision import models

    torch.manual_seed(seed)
    options = stated.get("options", {})
    if stated["source"] == "timm":
        return timm.create_model(stated["name"], **options).eval()
    module: torch.nn.Module = getattr(models, stated["name"])(**options)
    for name, buffer in module.named_buffers():  # as after a training
        if name.endswith(("running_mean", "running_var")):
            buffer.uniform_(0.5, 1.5)
    return module.eval()


def save(folder: Path, stated: dict[str, Any], seed: int) -> Path:
    path = folder / f"{seed}.pt"
    torch.save(built(stated, seed).state_dict(), path)
    (folder / "alsatian.json").write_text(json.dumps(stated))
    return path


def read(path: Path, architectures: Path) -> Loaded:
    return open_state(path, path.parent / "alsatian.json", architectures, Reading())


def tensors(loaded: Loaded) -> list[torch.Tensor]:
    return [tensor for block in loaded.built.parameters_of(loaded.module) for tensor in block]


@pytest.mark.parametrize("kind", MODELS)
def test_a_further_model_is_what_it_would_be_alone_and_not_built_again(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [save(tmp_path, MODELS[kind], seed) for seed in range(2)]
    monkeypatch.setattr(state_models, "_patterns", {})
    alone = read(paths[1], tmp_path)
    monkeypatch.setattr(state_models, "_patterns", {})
    first = read(paths[0], tmp_path)
    before = [tensor.clone() for tensor in tensors(first)]
    state = torch.random.get_rng_state()
    for name in ("library_module", "feature_extractor"):
        if (
            name == "feature_extractor" or MODELS[kind]["source"] != "timm"
        ):  # whose images depend on its configuration
            monkeypatch.setattr(state_models, name, lambda *_, **__: pytest.fail("built again"))
    second = read(paths[1], tmp_path)
    assert torch.equal(torch.random.get_rng_state(), state)
    pairs = list(zip(tensors(second), tensors(alone), strict=True))
    assert all(torch.equal(a, b) and a.requires_grad == b.requires_grad for a, b in pairs)
    assert (second.built.fingerprint, second.spec) == (alone.built.fingerprint, alone.spec)
    # The segments are those that the description alone gives.
    assert second.built == split(build(second.spec, second.preprocessing), second.preprocessing.example())
    # Nor do they share memory.
    assert all(torch.equal(a, b) for a, b in zip(tensors(first), before, strict=True))
    places = {tensor.data_ptr() for tensor in tensors(first) if tensor.numel()}
    own = {id(tensor) for tensor in first.built.constants.values()}
    assert not [t for t in tensors(second) if t.data_ptr() in places and id(t) not in own and t.requires_grad]


def test_parameters_are_those_of_the_file_without_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (save(tmp_path, MODELS["torchvision"], seed) for seed in range(2))
    read(first, tmp_path)
    whole = state_models.read_checkpoint
    places: set[int] = set()

    def seen(file: Path, weights: str) -> Checkpoint:
        checkpoint = whole(file, weights)
        places.update(tensor.data_ptr() for tensor in checkpoint.tensors.values())
        return checkpoint

    monkeypatch.setattr(state_models, "read_checkpoint", seen)
    loaded = read(second, tmp_path)
    assert all(parameter.data_ptr() in places for parameter in loaded.module.parameters())
    # Of another type they have to be copied, and what is one tensor in the file must not become one in the model.
    state = {name: t.half() if t.is_floating_point() else t for name, t in torch.load(second).items()}
    names = [name for name in state if name.endswith("ln_1.bias")]
    state |= dict.fromkeys(names, state[names[0]])
    torch.save(state, second)
    module = read(second, tmp_path).module
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}
    assert len({parameter.data_ptr() for parameter in module.parameters()}) == len(list(module.parameters()))


def test_what_a_further_model_lacks_is_still_an_error(tmp_path: Path) -> None:
    first, second = (save(tmp_path, MODELS["torchvision"], seed) for seed in range(2))
    read(first, tmp_path)
    state = torch.load(second, weights_only=True)
    del state["encoder.ln.weight"]
    torch.save(state, second)
    with pytest.raises(ConfigError, match=r"1\.pt: has no parameter 'encoder\.ln\.weight'"):
        read(second, tmp_path)
    state["conv_proj.weight"] = torch.zeros(1)
    torch.save(state, second)
    with pytest.raises(ConfigError, match=r"'conv_proj\.weight' has shape"):
        read(second, tmp_path)


def test_only_builders_of_the_family_at_hand_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of others one for each family; all of them where none fits."""
    from torchvision.models import shufflenet_v2_x0_5

    signature, looked_at = torchvision_files._signature, set[str]()
    names = ("alexnet", "resnet18", "resnet34", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0")
    monkeypatch.setattr(torchvision_files, "_builders", lambda: names)
    monkeypatch.setattr(torchvision_files, "_signature", lambda name: [looked_at.add(name), signature(name)][1])
    state, notes = shufflenet_v2_x0_5().state_dict(), list[str]()
    assert torchvision_files.guessed(state, tmp_path / "a.pt", notes) == ("shufflenet_v2_x0_5", {}, "")
    assert looked_at == {*names} - {"resnet34"}
    del state["conv5.0.weight"]
    with pytest.raises(ConfigError, match="its parameters are those of no builder"):
        torchvision_files.guessed(state, tmp_path / "a.pt", notes)
    assert looked_at == {*names}
