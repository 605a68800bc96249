"""LoRA adapters: the merged model computes what the adapted one would."""

import json
import math

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from alsatian.errors import ConfigError
from alsatian.models.reading.parameters.lora import merge, read_adapter


def write_adapter(folder, tensors, **config):
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"peft_type": "LORA", "base_model_name_or_path": "base", "r": 2, "lora_alpha": 6, **config}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    named = {f"base_model.model.{name}": tensor.contiguous() for name, tensor in tensors.items()}
    save_file(named, folder / "adapter_model.safetensors")
    return folder


def factors(inputs, outputs, rank=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rank, inputs, generator=generator), torch.randn(outputs, rank, generator=generator)


@pytest.mark.parametrize(("settings", "scale"), [({}, 3.0), ({"use_rslora": True}, 6 / math.sqrt(2))])
def test_linear(tmp_path, settings, scale):
    layer = nn.Linear(5, 4)
    a, b = factors(5, 4)
    folder = write_adapter(tmp_path, {"enc.q.lora_A.weight": a, "enc.q.lora_B.weight": b}, **settings)
    state = {"enc.q.weight": layer.weight.detach(), "enc.q.bias": layer.bias.detach(), "other": torch.ones(1)}
    before = dict(state)
    adapter = read_adapter(folder)
    rest = merge(adapter, state)
    assert not rest.deltas
    assert adapter.ranks == {"enc.q": 2}
    x = torch.randn(7, 5)
    expected = layer(x) + scale * (x @ a.T @ b.T)
    torch.testing.assert_close(nn.functional.linear(x, state["enc.q.weight"], state["enc.q.bias"]), expected)
    assert state["other"] is before["other"]
    assert state["enc.q.bias"] is before["enc.q.bias"]
    assert torch.equal(before["enc.q.weight"], layer.weight)  # the base is left alone


def test_conv1d(tmp_path):
    from transformers.pytorch_utils import Conv1D

    layer = Conv1D(4, 5)
    a, b = factors(5, 4)
    folder = write_adapter(tmp_path, {"h.lora_A.weight": a, "h.lora_B.weight": b}, fan_in_fan_out=True)
    state = {"h.weight": layer.weight.detach()}
    merge(read_adapter(folder), state)
    x = torch.randn(7, 5)
    torch.testing.assert_close(x @ state["h.weight"] + layer.bias, layer(x) + 3 * (x @ a.T @ b.T))


def test_embedding(tmp_path):
    table = nn.Embedding(9, 4)
    a, b = factors(9, 4)
    folder = write_adapter(tmp_path, {"e.lora_embedding_A": a, "e.lora_embedding_B": b})
    state = {"e.weight": table.weight.detach()}
    merge(read_adapter(folder), state)
    ids = torch.tensor([0, 3, 8])
    torch.testing.assert_close(state["e.weight"][ids], table(ids) + 3 * (a.T[ids] @ b.T))


@pytest.mark.parametrize(("layer", "key"), [("bert.x", "x.weight"), ("x", "bert.x.weight"), ("x", "x.weight")])
def test_names_may_differ_by_the_base_models_prefix(tmp_path, layer, key):
    a, b = factors(3, 3)
    folder = write_adapter(tmp_path, {f"{layer}.lora_A.weight": a, f"{layer}.lora_B.weight": b})
    state = {key: torch.zeros(3, 3)}
    assert not merge(read_adapter(folder), state).deltas
    torch.testing.assert_close(state[key], 3 * b @ a)


def test_replaced_parameters_and_what_has_no_place(tmp_path):
    a, b = factors(3, 3)
    head = torch.ones(2, 3)
    tensors = {"x.lora_A.weight": a, "x.lora_B.weight": b, "classifier.weight": head, "x.bias": torch.ones(3)}
    state = {"x.bias": torch.zeros(3)}
    rest = merge(read_adapter(write_adapter(tmp_path, tensors)), state)
    assert list(rest.deltas) == ["x"]
    assert list(rest.replaced) == ["classifier.weight"]
    assert torch.equal(state["x.bias"], torch.ones(3))


def test_alpha_pattern(tmp_path):
    a, b = factors(3, 3)
    tensors = {f"{n}.lora_{side}.weight": t.clone() for n in ("l.q", "l.v") for side, t in (("A", a), ("B", b))}
    adapter = read_adapter(write_adapter(tmp_path, tensors, alpha_pattern={"v": 2}))
    state = {f"l.{n}.weight": torch.zeros(3, 3) for n in "qv"}
    merge(adapter, state)
    torch.testing.assert_close(state["l.q.weight"], 3 * b @ a)
    torch.testing.assert_close(state["l.v.weight"], b @ a)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"peft_type": "IA3"}, "peft_type IA3 are not supported"),
        ({"peft_type": None}, "peft_type None"),
        ({"use_dora": True}, "'x' has no length of its outputs, which use_dora needs"),
        ({"use_qalora": True}, "use_qalora=True is not supported"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights=pissa changes the base"),
        ({"base_model_name_or_path": None}, "base_model_name_or_path is empty"),
        ({"base_model_name_or_path": "a\0b"}, "base_model_name_or_path is empty or no path"),
        ({"alpha_pattern": {"(": 1}}, "adapter_config.json: alpha_pattern: .* no regular expression"),
        ({"alpha_pattern": [1]}, r"adapter_config.json: alpha_pattern=\[1\] gives no alpha"),
        ({"alpha_pattern": {"x": None}}, "adapter_config.json: the alpha of 'x' is None; a number"),
        ({"lora_alpha": "8"}, "the alpha of 'x' is '8'; a number"),
        ({"lora_alpha": float("inf")}, "the alpha of 'x' is inf; a number"),
    ],
)
def test_other_adapters_are_refused_by_name(tmp_path, config, message):
    a, b = factors(3, 3)
    folder = write_adapter(tmp_path, {"x.lora_A.weight": a, "x.lora_B.weight": b}, **config)
    with pytest.raises(ConfigError, match=message):
        read_adapter(folder)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"x.lora_A.weight": torch.ones(2, 3)}, "one A and one B"),
        ({"x.lora_A.weight": torch.ones(2, 3), "x.lora_B.weight": torch.ones(3, 4)}, "do not fit"),
        ({"x.lora_A.weight": torch.ones(2, 3, 1, 1), "x.lora_B.weight": torch.ones(3, 2)}, "do not fit"),
        ({"x.lora_magnitude_vector": torch.ones(2)}, "one A and one B"),
        ({"x.lora_A.weight": torch.ones(2, 3), "x.lora_C.weight": torch.ones(3, 2)}, "variant of LoRA"),
        (
            {
                "x.lora_A.weight": torch.ones(2, 3),
                "x.lora_B.weight": torch.ones(3, 2),
                "x.lora_magnitude_vector": torch.ones(4),
            },
            "'x' has 4 lengths for 3 outputs",
        ),
        ({"x.bias": torch.ones(2)}, "holds no lora_A"),
    ],
)
def test_bad_factors_are_refused(tmp_path, tensors, message):
    with pytest.raises(ConfigError, match=message):
        read_adapter(write_adapter(tmp_path, tensors))


def test_an_adapter_of_another_size_names_both_shapes(tmp_path):
    a, b = factors(3, 3)
    adapter = read_adapter(write_adapter(tmp_path, {"x.lora_A.weight": a, "x.lora_B.weight": b}))
    with pytest.raises(ConfigError, match=r"'x' is made for a weight of shape \[3, 3\]; the base's is \[4, 4\]"):
        merge(adapter, {"x.weight": torch.zeros(4, 4)})
