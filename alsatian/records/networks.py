"""Models without a search: their layers, ``blocks.json``, and how much they share, ``overlap.json``."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from alsatian.records.base import Count, Record, Seconds, Text

BLOCKS, OVERLAP = "blocks.json", "overlap.json"
NETWORKS_SCHEMA = 1

Share = Annotated[float, Field(ge=0, le=1, strict=True)]


class _Beside(Record):
    """Facts around what was measured are kept as they are."""

    model_config = ConfigDict(extra="allow")

    config: dict[str, Any] = {}

    @property
    def workload(self) -> str:
        """The model or family of the paper that it stands for; empty if none is named."""
        cell = self.config.get("paper")
        return str(cell.get("workload") or "") if isinstance(cell, dict) else ""


class Layer(Record):
    """Parameters (number of values) of a layer, and the seconds of a batch through it in each repeat."""

    name: Text
    parameters: Count
    inference_s: Annotated[tuple[Seconds, ...], Field(min_length=1)]


class Layers(_Beside):
    """A model as its layers, in the order of execution: ``blocks.json``."""

    version: Literal[1] = Field(alias="schema")
    blocks: Annotated[tuple[Layer, ...], Field(min_length=1)]


class Overlap(_Beside):
    """How much models share, each model described as :mod:`alsatian.models.overlap` does: ``overlap.json``.

    Shares are of the models with at least one block that another one has too (``share_with_common_blocks``), or
    with the same first block that has parameters (``share_with_prefix``).
    """

    models: Annotated[tuple[dict[str, Any], ...], Field(min_length=1)]
    share_with_common_blocks: Share
    share_with_prefix: Share
    total_bytes: Count
    distinct_bytes: Count
