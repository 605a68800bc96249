"""Segments as plain data: the same function after a round trip, and no way to name other code."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from alsatian.blocks import serialization
from alsatian.blocks.segment import Architecture
from alsatian.blocks.serialization import NotPortable
from alsatian.blocks.split import split
from experiments.studies.coverage.measurement import run_chain

EXAMPLE = (torch.zeros(2, 3, 8, 8),)


class Model(nn.Module):
    """Uses what a file has to carry: constants of several types, sizes, infinity, lists and keywords."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.first = nn.Linear(16, 16)
        self.second = nn.Linear(16, 5)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.convolution(pixels)).relu()
        x = self.first(x.reshape(x.shape[0] * 4, 8, 8).mean(-1).repeat(1, 2))
        x = x.masked_fill(torch.arange(16, dtype=torch.float32) > 12, float("-inf")).softmax(-1)
        x = x[:, torch.tensor([1, 0, *range(2, 16)])] * torch.tensor(0.1, dtype=torch.float64)
        out: torch.Tensor = self.second(x.float()).reshape(pixels.shape[0], -1)
        return out


@pytest.fixture(scope="module")
def module() -> nn.Module:
    torch.manual_seed(0)
    return Model().eval()


@pytest.fixture(scope="module")
def built(module: nn.Module) -> Architecture:
    return split(module, EXAMPLE)


def test_a_round_trip_keeps_function_and_fingerprint(
    tmp_path: Path, module: nn.Module, built: Architecture
) -> None:
    serialization.write(tmp_path / "a", built)
    found = serialization.read(tmp_path / "a")
    assert found is not None
    assert found.segments == built.segments  # all but the code
    assert found.fingerprint == built.fingerprint
    assert found.constants.keys() == built.constants.keys()
    for name, tensor in built.constants.items():
        assert found.constants[name].dtype == tensor.dtype
        assert torch.equal(found.constants[name], tensor)
    for batch in (1, 2, 5):
        pixels = torch.randn(batch, 3, 8, 8)
        expected = run_chain(built, module, (pixels,))
        with torch.no_grad():
            assert torch.equal(expected, module(pixels))
        assert torch.equal(run_chain(found, module, (pixels,)), expected)


def test_data_of_a_segment_is_json_and_stays_the_same(built: Architecture) -> None:
    for segment in built.segments:
        data = json.loads(json.dumps(serialization.dump(segment)))
        again = serialization.load(data)
        assert again == segment
        assert serialization.dump(again) == data


def test_nothing_to_read_gives_nothing(tmp_path: Path) -> None:
    assert serialization.read(tmp_path / "absent") is None


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "builtins.eval",
        "operator.attrgetter",
        "math.factorial",
        "aten.from_file.default",
        "aten.from_file.out",
        "aten.save.default",
        "aten.manual_seed.default",
        "aten.warn.default",
        "aten.no_such_operator.default",
        "aten.add",
        "aten.__class__.mro",
        "aten.add.__call__",
        "load_library",
        "",
    ],
)
def test_what_is_no_tensor_operator_is_refused(tmp_path: Path, built: Architecture, name: str) -> None:
    data = serialization.dump(built.segments[0])
    data["nodes"] = [["placeholder", "s0"], [name, [], {}], ["output", {"tuple": [{"node": 0}]}]]
    with pytest.raises(NotPortable):
        serialization.load(data)
    serialization.write(tmp_path / "a", built)
    (tmp_path / "a.json").write_text(json.dumps([data]))
    assert serialization.read(tmp_path / "a") is None


@pytest.mark.parametrize(
    "node",
    [
        ["placeholder", "s0=print('called')"],
        ["placeholder", "lambda"],
        ["placeholder", 3],
        ["aten.relu.default", {"tuple": [{"node": 0}]}, {"a=print('called'), b": 1}],
        ["aten.relu.default", {"tuple": [{"node": 0}]}, {"a": {"dtype": "load"}}],
        ["aten.relu.default", {"tuple": [{"node": 0}]}, {"a": {"module": "os"}}],
    ],
    ids=["default value", "keyword", "number", "keyword argument", "dtype", "constant"],
)
def test_names_cannot_carry_code(built: Architecture, node: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    data = serialization.dump(built.segments[0])
    data["nodes"] = [["placeholder", "x"], node, ["output", {"tuple": [{"tuple": [{"node": 0}]}]}]]
    with pytest.raises(NotPortable):
        serialization.load(data)
    assert capsys.readouterr().out == ""


def damage(text: str) -> Iterator[tuple[str, str]]:
    """What can become of a file's content ``text``."""
    yield "empty", ""
    yield "cut off", text[: len(text) // 2]
    yield "no list", "3"
    yield "text", json.dumps("nodes")
    yield "list of text", json.dumps(["nodes"])
    yield "missing keys", json.dumps({"segments": []})
    changed = json.loads(text)
    changed["segments"][0]["output_bytes"] += 1
    yield "another size", json.dumps(changed)


def test_damage_under_a_right_digest_is_noticed_as_well(
    tmp_path: Path, built: Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serialization, "_digest", lambda *_: "the same")
    serialization.write(tmp_path / "a", built)
    text = (tmp_path / "a.json").read_text()
    assert serialization.read(tmp_path / "a") is not None
    for node in (["output", {"tuple": [{"tuple": [{"node": 10_000}]}]}], 7):
        changed = json.loads(text)
        changed["segments"][0]["nodes"][-1] = node
        (tmp_path / "a.json").write_text(json.dumps(changed))
        assert serialization.read(tmp_path / "a") is None


def test_a_damaged_file_is_as_none(tmp_path: Path, built: Architecture) -> None:
    serialization.write(tmp_path / "a", built)
    text = (tmp_path / "a.json").read_text()
    for what, content in damage(text):
        (tmp_path / "a.json").write_text(content)
        assert serialization.read(tmp_path / "a") is None, what
    (tmp_path / "a.json").write_text(text)
    assert serialization.read(tmp_path / "a") is not None
    (tmp_path / "a.safetensors").write_bytes(b"\xff" * 100)
    assert serialization.read(tmp_path / "a") is None
    (tmp_path / "a.safetensors").unlink()
    assert serialization.read(tmp_path / "a") is None


@torch.library.custom_op("alsatian_tests::double", mutates_args=())
def double(x: torch.Tensor) -> torch.Tensor:
    """An operator that no other process knows."""
    return x * 2


@double.register_fake
def _(x: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x)


class Foreign(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = double(x)
        return out


def test_what_has_no_name_is_not_written(tmp_path: Path) -> None:
    foreign = split(Foreign(), (torch.zeros(2, 4),))
    with pytest.raises(NotPortable, match="double"):
        serialization.dump(foreign.segments[0])
    serialization.write(tmp_path / "a", foreign)
    assert list(tmp_path.iterdir()) == []
