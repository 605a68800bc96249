"""Layers of a network: the blocks that its library's code repeats, such as an encoder layer or a bottleneck.

A layer may be several blocks: every place where little state is alive ends one. The paper counts layers.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from alsatian.blocks.segment import Segment

# Up to the first part of a name that ends in a number, with the numbers behind it: encoder_layer_3, features.3.2,
# layer1.0, stages.0.layers.2.
_LAYER = re.compile(r"(?:body\.)?((?:[^.\d]+\.)*[^.]*\d(?:\.\d+)*(?:\.(?:layers|blocks)\.\d+)*)\.")
_BODY = "body."


@dataclass(frozen=True)
class Layer:
    """Consecutive blocks: those from ``start`` to ``stop`` (exclusive) of a chain."""

    name: str
    start: int
    stop: int


def layers(segments: Sequence[Segment]) -> list[Layer]:
    """The layers of a chain of ``segments``, in order. What has no number in its name belongs to the layer before.

    The first layer is what comes before all numbers, if anything does.
    """
    chain: list[Layer] = []
    for i, segment in enumerate(segments):
        first = next(iter(segment.parameter_names), "")
        match = _LAYER.match(first)
        name = match[1] if match else ""
        if not chain:
            chain.append(Layer(name or first.removeprefix(_BODY).rpartition(".")[0] or "input", i, i + 1))
        elif name in ("", chain[-1].name):
            chain[-1] = Layer(chain[-1].name, chain[-1].start, i + 1)
        else:
            chain.append(Layer(name, i, i + 1))
    return chain
