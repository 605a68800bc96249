"""An architecture that was kept on disk is the one that was exported, or it is exported again."""

import json
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.fx import Graph, GraphModule

from alsatian.blocks import portable
from alsatian.blocks.portable import NotPortable
from alsatian.blocks.segment import Architecture, Segment, State
from alsatian.blocks.split import split


class Model(nn.Module):
    """Sizes, constants, tuples, slices, keyword arguments and a carried state."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gate = x.sigmoid()
        x = x + self.attention(x, x, x, need_weights=False)[0]
        x = x + torch.tensor([1.5, 2, 3, 4, 5, 6, 7, 8]) + torch.arange(8, dtype=torch.float32)
        for layer in self.layers:
            x = nn.functional.leaky_relu(layer(x), 0.1) * gate
        first, second = x.split([2, 3], 1)
        return torch.cat([first, second[:, ::2].clamp(min=float("-inf"))], 1).flatten(1).double()


@pytest.fixture(scope="module")
def module(scrambled: Callable[[nn.Module], nn.Module]) -> nn.Module:
    return scrambled(Model())


@pytest.fixture(scope="module")
def built(module: nn.Module) -> Architecture:
    return split(module, (torch.zeros(2, 5, 8),))


def run(architecture: Architecture, module: nn.Module, inputs: torch.Tensor) -> list[State]:
    found: list[State] = []
    state: State = (inputs,)
    with torch.no_grad():
        for segment, parameters in zip(architecture.segments, architecture.parameters_of(module), strict=True):
            state = segment(state, parameters)
            found.append(state)
    return found


def test_what_was_kept_runs_as_what_was_exported(module: nn.Module, built: Architecture, tmp_path: Path) -> None:
    portable.write(tmp_path / "key", built)
    read = portable.read(tmp_path / "key")
    assert read is not None
    assert read.segments == built.segments  # names, types and sizes; the code is compared by running it
    assert read.fingerprint == built.fingerprint
    assert {k: v.tolist() for k, v in read.constants.items()} == {k: v.tolist() for k, v in built.constants.items()}
    assert read.constants
    for batch in (1, 2, 7):
        inputs = torch.randn(batch, 5, 8, generator=torch.Generator().manual_seed(batch))
        for one, other in zip(run(read, module, inputs), run(built, module, inputs), strict=True):
            assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert [portable.dump(s) for s in read.segments] == [portable.dump(s) for s in built.segments]


def test_what_is_kept_is_plain_data(built: Architecture, tmp_path: Path) -> None:
    portable.write(tmp_path / "key", built)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["key.json", "key.safetensors"]
    assert len(json.loads((tmp_path / "key.json").read_text())) >= len(built.segments)


def damaged(built: Architecture, folder: Path) -> Callable[[Callable[[Any], Any]], Architecture | None]:
    """Reads the architecture after a change to its JSON value."""
    portable.write(folder / "key", built)
    path = folder / "key.json"
    value = json.loads(path.read_text())

    def read(change: Callable[[Any], Any]) -> Architecture | None:
        path.write_text(json.dumps(change(value)))
        return portable.read(folder / "key")

    return read


@pytest.mark.parametrize("suffix", ["json", "safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"{", b"[1, 2]", b"null", b"\xff"])
def test_what_cannot_be_read_is_exported_again(
    built: Architecture, tmp_path: Path, suffix: str, content: bytes | None
) -> None:
    portable.write(tmp_path / "key", built)
    path = tmp_path / f"key.{suffix}"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    assert portable.read(tmp_path / "key") is None


@pytest.mark.parametrize("half", ["json", "safetensors"])
def test_half_a_file_is_not_used(built: Architecture, tmp_path: Path, half: str) -> None:
    portable.write(tmp_path / "key", built)
    path = tmp_path / f"key.{half}"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert portable.read(tmp_path / "key") is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"node": 1}', '{"node": 999}'),
        ("aten.linear.default", "aten.linear"),
        ("aten.linear.default", "aten.no_such_operator.default"),
        ("aten.linear.default", "os.system.default"),
        ("aten.linear.default", "aten.from_file.default"),
        ("aten.linear.default", "operator.call"),
        ("aten.linear.default", "aten.linear.__class__"),
        ('"nodes"', '"noodles"'),
        ('{"list"', '{"lust"'),
        ('"placeholder"', '"output"'),
    ],
)
def test_what_names_something_else_is_exported_again(
    built: Architecture, tmp_path: Path, before: str, after: str
) -> None:
    portable.write(tmp_path / "key", built)
    path = tmp_path / "key.json"
    text = json.dumps(json.loads(path.read_text()))
    assert before in text
    path.write_text(text.replace(before, after))
    assert portable.read(tmp_path / "key") is None


def test_another_constant_is_noticed(module: nn.Module, built: Architecture, tmp_path: Path) -> None:
    """A file that still reads, but computes something else, must not be used: scores would be wrong."""
    portable.write(tmp_path / "key", built)
    path = tmp_path / "key.json"
    text = json.dumps(json.loads(path.read_text()))
    assert (0.1).hex() in text
    path.write_text(text.replace((0.1).hex(), (0.2).hex()))
    assert portable.read(tmp_path / "key") is None


def segment(target: Any, *arguments: Any, **keywords: Any) -> Segment:
    graph = Graph()
    graph.output((graph.call_function(target, (graph.placeholder("s0"), *arguments), keywords),))
    return Segment("f", (), (), 4, GraphModule({}, graph))


@pytest.mark.parametrize(
    "value",
    [
        0.1,
        -0.0,
        1e-300,
        float("inf"),
        float("-inf"),
        3,
        True,
        None,
        "mean",
        [1, [2.5, None]],
        (1, 2),
        torch.float16,
    ],
    ids=str,
)
def test_every_kind_of_argument_survives(value: Any) -> None:
    data = json.loads(json.dumps(portable.dump(segment(operator.add, value))))
    (node,) = (n for n in portable.load(data).code.graph.nodes if n.op == "call_function")
    found = node.args[1]
    expected = tuple(value) if isinstance(value, tuple) else value
    assert repr(found) == repr(expected)
    assert type(found) is type(expected) or isinstance(value, list)


def test_nan_devices_and_layouts_survive() -> None:
    arguments = [float("nan"), torch.device("cpu"), torch.device("cuda", 1), torch.channels_last, torch.strided]
    for value in arguments:
        data = json.loads(json.dumps(portable.dump(segment(torch.ops.aten.clone.default, key=value))))
        (node,) = (n for n in portable.load(data).code.graph.nodes if n.op == "call_function")
        assert repr(node.kwargs["key"]) == repr(value)


@pytest.mark.parametrize("target", [eval, print, json.loads, torch.nn.functional.relu], ids=lambda f: f.__name__)
def test_other_functions_are_not_written(target: Any, tmp_path: Path) -> None:
    with pytest.raises(NotPortable):
        portable.dump(segment(target))
    portable.write(tmp_path / "key", Architecture((segment(target),)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["builtins.eval", "eval", "os.system", "operator.attrgetter", "aten", "aten.add", "aten..", ""]
)
def test_other_functions_are_not_read(name: str) -> None:
    data = portable.dump(segment(operator.add, 1))
    data["nodes"][1][0] = name
    with pytest.raises(NotPortable):
        portable.load(data)


@pytest.mark.parametrize(
    "value", [{"dtype": "nn"}, {"dtype": "load"}, {"memory_format": "no_such"}, {"x": "float16"}]
)
def test_other_constants_are_not_read(value: dict[str, str]) -> None:
    data = portable.dump(segment(operator.add, 1))
    data["nodes"][1][1] = {"tuple": [{"node": 0}, value]}
    with pytest.raises(NotPortable):
        portable.load(data)
