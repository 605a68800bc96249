"""How many models of a family share blocks, ``<folder>/<id>/overlap.json``, one file a family.

A file holds what ``alsatian overlap`` writes, and ``config`` beside it with the family's name in the paper.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alsatian.records.fields import FieldError, Fields
from alsatian.units import printable

OVERLAP = "overlap.json"


@dataclass(frozen=True)
class Family:
    """Models of one architecture.

    Attributes:
        workload: the family's name in the paper.
        models: their number.
        sharing: share, 0 to 1, of the models with at least one block that another one has too.
        with_prefix: the same for the first block that has parameters.
        total_bytes: of all parameters; ``distinct_bytes`` without duplicates.
    """

    workload: str
    models: int
    sharing: float
    with_prefix: float
    total_bytes: int
    distinct_bytes: int


def parse_family(document: Mapping[str, Any]) -> Family:
    """The content of an ``overlap.json``.

    Raises:
        FieldError: a field is missing or not what it should be.
    """
    fields = Fields(document)
    models = len(fields.objects("models"))
    if not models:
        raise FieldError("models is empty")
    shares = [fields.number(name) for name in ("share_with_common_blocks", "share_with_prefix")]
    if not all(0 <= share <= 1 for share in shares):
        raise FieldError(f"share_with_common_blocks, share_with_prefix: expected 0 to 1, found {shares}")
    return Family(
        printable(fields.object("config").object("paper").text("workload")),
        models,
        shares[0],
        shares[1],
        fields.count("total_bytes"),
        fields.count("distinct_bytes"),
    )
