"""What is kept on disk says exactly what was exported, and a file that says anything else is not used."""

import json
import operator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.fx import Graph, GraphModule

from alsatian.blocks import serialization
from alsatian.blocks.segment import Architecture, Segment
from alsatian.blocks.split import split


class Slope(nn.Module):
    """Has a constant among its arguments, and another that is a tensor."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.leaky_relu(x, 0.1) * torch.tensor([1.0, 2, 3, 4])


@pytest.fixture(scope="module")
def built() -> Architecture:
    return split(Slope(), (torch.zeros(2, 4),))


def segment(target: Any, *arguments: Any, **keywords: Any) -> Segment:
    graph = Graph()
    graph.output((graph.call_function(target, (graph.placeholder("s0"), *arguments), keywords),))
    return Segment("f", (), (), 4, GraphModule({}, graph))


def call(data: Any) -> Any:
    """The only call in a segment's data after a trip through JSON."""
    nodes = serialization.load(json.loads(json.dumps(data))).code.graph.nodes
    return next(node for node in nodes if node.op == "call_function")


@pytest.mark.parametrize(
    "value",
    [
        0.1,
        -0.0,
        1e-300,
        float("inf"),
        float("-inf"),
        float("nan"),
        3,
        2**62,
        True,
        None,
        "mean",
        (1, 2),
        [1, [2.5]],
    ],
    ids=str,
)
def test_every_kind_of_argument_survives(value: Any) -> None:
    found = call(serialization.dump(segment(operator.add, value))).args[1]
    assert repr(found) == repr(value)


@pytest.mark.parametrize(
    "value",
    [torch.float16, torch.bool, torch.channels_last, torch.strided, torch.device("cpu"), torch.device("cuda", 1)],
    ids=str,
)
def test_every_kind_of_keyword_survives(value: Any) -> None:
    found = call(serialization.dump(segment(torch.ops.aten.clone.default, key=value))).kwargs["key"]
    assert found == value
    assert type(found) is type(value)


def test_another_argument_is_noticed(built: Architecture, tmp_path: Path) -> None:
    """It would read well and compute something else, so all scores would be wrong without a sign of it."""
    serialization.write(tmp_path / "key", built)
    path = tmp_path / "key.json"
    text = path.read_text()
    assert (0.1).hex() in text
    path.write_text(text.replace((0.1).hex(), (0.2).hex()))
    assert serialization.read(tmp_path / "key") is None


def test_another_constant_is_noticed(built: Architecture, tmp_path: Path) -> None:
    serialization.write(tmp_path / "key", built)
    assert built.constants
    save_file({name: t + 1 for name, t in built.constants.items()}, tmp_path / "key.safetensors")
    assert serialization.read(tmp_path / "key") is None
