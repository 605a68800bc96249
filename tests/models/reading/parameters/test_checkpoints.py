"""Weights that others wrote are read without running what they hold."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from alsatian.errors import AlsatianError, ConfigError, StoreError
from alsatian.models.reading.parameters.checkpoints import read_json, read_state
from alsatian.models.reading.parameters.loading import load
from tests.models.reading.checkpoint_files import Malicious

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2, dtype=torch.bfloat16)}


def same(found: dict[str, torch.Tensor]) -> bool:
    return found.keys() == STATE.keys() and all(
        found[name].dtype == tensor.dtype and torch.equal(found[name], tensor) for name, tensor in STATE.items()
    )


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin"])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_files_of_pytorch(tmp_path, suffix, wrapper, prefix):
    state = {prefix + name: tensor for name, tensor in STATE.items()}
    torch.save({wrapper: state, "epoch": 3, "best": [0.1]} if wrapper else state, tmp_path / f"m{suffix}")
    assert same(read_state(tmp_path / f"m{suffix}"))


def test_parameters_of_pytorch_lose_their_history(tmp_path):
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "m.pt")
    assert not any(tensor.requires_grad for tensor in read_state(tmp_path / "m.pt").values())


def test_safetensors(tmp_path):
    save_file(STATE, tmp_path / "m.safetensors")
    assert same(read_state(tmp_path / "m.safetensors"))


def test_a_prefix_of_some_names_stays(tmp_path):
    save_file({"module.a": torch.ones(1), "b": torch.ones(1)}, tmp_path / "m.safetensors")
    assert sorted(read_state(tmp_path / "m.safetensors")) == ["b", "module.a"]


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_shards(tmp_path, suffix):
    for i, (name, tensor) in enumerate(STATE.items()):
        path = tmp_path / f"model-{i}{suffix}"
        save_file({name: tensor}, path) if suffix == ".safetensors" else torch.save({name: tensor}, path)
    index = tmp_path / f"model{suffix}.index.json"
    names = {name: f"model-{i}{suffix}" for i, name in enumerate(STATE)}
    index.write_text(json.dumps({"metadata": {}, "weight_map": names}))
    assert same(read_state(index))


@pytest.mark.parametrize("name", ["../m.safetensors", "/etc/m.safetensors", "m.pkl", ""])
def test_shards_lie_beside_their_index(tmp_path, name):
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(ConfigError, match="no file of weights beside it"):
        read_state(index)


@pytest.mark.parametrize("plain", [True, False], ids=["pickle", "archive"])
@pytest.mark.parametrize("nested", [True, False])
def test_code_is_refused_and_not_run(tmp_path, plain, nested):
    marker = tmp_path / "marker"
    value = {"a.weight": torch.ones(2), "more": [Malicious(marker)]} if nested else Malicious(marker)
    path = tmp_path / "m.pt"
    if plain:
        path.write_bytes(pickle.dumps(value))
    else:
        torch.save(value, path)
    with pytest.raises(ConfigError, match=r"m\.pt: is refused: it holds pickled code") as caught:
        read_state(path)
    assert "\n" not in str(caught.value)
    assert not marker.exists()


def test_whole_modules_and_scripts_are_refused(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "script.pt")
    for name in ("module.pt", "script.pt"):
        with pytest.raises(ConfigError, match="is refused: it holds pickled code"):
            read_state(tmp_path / name)


@pytest.mark.parametrize("name", ["m.pkl", "m.h5", "m.npz", "m"])
def test_other_formats_are_refused_by_name(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ConfigError, match=f"{name}: is refused: weights are read from .safetensors"):
        read_state(tmp_path / name)


@pytest.mark.parametrize("name", ["m.safetensors", "m.pt"])
@pytest.mark.parametrize("content", [b"", b"hello junk", None])
def test_damaged_and_missing_files_end_in_one_line(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(AlsatianError) as caught:
        read_state(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cut_file_is_damaged(tmp_path):
    torch.save(STATE, tmp_path / "m.pt")
    (tmp_path / "m.pt").write_bytes((tmp_path / "m.pt").read_bytes()[:-60])
    with pytest.raises(StoreError, match=r"m\.pt: cannot be read as a file of PyTorch"):
        read_state(tmp_path / "m.pt")


@pytest.mark.parametrize("value", [{"epoch": 3}, [torch.ones(1)], torch.ones(1), {}])
def test_files_without_named_parameters(tmp_path, value):
    torch.save(value, tmp_path / "m.pt")
    with pytest.raises(ConfigError, match="holds no parameters by name"):
        read_state(tmp_path / "m.pt")


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000])
def test_bad_json_ends_in_one_line(tmp_path, text):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(ConfigError, match=r"c\.json: (is not valid JSON|holds no JSON object)"):
        read_json(tmp_path / "c.json")


def test_load_copies_casts_and_leaves_out():
    module = torch.nn.Module()
    module.a = torch.nn.Linear(3, 2)
    load(module, {**STATE, "head": torch.ones(9)}, module.state_dict(), Path("m.pt"))
    assert torch.equal(module.a.weight, STATE["a.weight"])
    assert torch.equal(module.a.bias, torch.ones(2))


def test_load_names_what_does_not_fit():
    module = torch.nn.Module()
    module.a = torch.nn.Linear(2, 3)
    with pytest.raises(ConfigError) as caught:
        load(module, STATE, module.state_dict(), Path("m.pt"))
    assert str(caught.value) == "m.pt: 'a.bias' has shape [2]; the architecture needs [3]"
    with pytest.raises(ConfigError) as caught:
        load(module, {}, {"a.bias": module.a.bias}, Path("m.pt"))
    assert str(caught.value) == "m.pt: has no parameter 'a.bias'; the architecture needs it in shape [3]"
    load(module, {"a.bias": torch.ones(2)}, {}, Path("m.pt"))  # of a head for other classes
