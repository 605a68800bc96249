"""Parameters and inference time of a model's blocks, ``<folder>/<id>/blocks.json``, one file a model::

    {"schema": 1, "config": {…, "paper": {"workload": "ViT-L-32"}}, "environment": {…}, "blocks": [
        {"name": "encoder_layer_0", "parameters": 12596224, "inference_s": [0.0031, …]}, …]}

Blocks stand in execution order; parameters are a number of values, inference is seconds a batch in each repeat.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from alsatian.records.fields import FieldError, Fields
from alsatian.units import printable

BLOCKS = "blocks.json"
SCHEMA = 1


@dataclass(frozen=True)
class Blocks:
    """A model as its blocks, in execution order.

    Attributes:
        workload: the model of the paper that it stands for.
        names: of the blocks.
        parameters: values of each block.
        inference_s: median seconds of one batch through each block; ``spread`` is the fastest and the slowest.
    """

    workload: str
    names: tuple[str, ...]
    parameters: tuple[float, ...]
    inference_s: tuple[float, ...]
    spread: tuple[tuple[float, float], ...]


def parse_blocks(document: Mapping[str, Any]) -> Blocks:
    """The content of a ``blocks.json``.

    Raises:
        FieldError: a field is missing or not what it should be.
    """
    fields = Fields(document)
    if document.get("schema") != SCHEMA:
        raise FieldError(f"schema {document.get('schema')!r}; this version reads schema {SCHEMA}")
    workload = fields.object("config").object("paper").text("workload")
    rows = fields.objects("blocks")
    if not rows:
        raise FieldError("blocks is empty")
    times = [_times(row) for row in rows]
    return Blocks(
        printable(workload),
        tuple(printable(row.text("name")) for row in rows),
        tuple(float(row.count("parameters")) for row in rows),
        tuple(median(own) for own in times),
        tuple((min(own), max(own)) for own in times),
    )


def _times(row: Fields) -> Sequence[float]:
    written = row.values.get("inference_s")
    if not isinstance(written, list) or not written:
        raise row.error("inference_s", "a list of seconds")
    times = [Fields({"inference_s": value}, row.path).number("inference_s") for value in written]
    if min(times) < 0:
        raise row.error("inference_s", "seconds of at least 0")
    return times
