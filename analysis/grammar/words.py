"""What a figure is asked to show, in words: the settings and metrics that are its axes, curves and panels."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from alsatian.errors import ConfigError, nearest
from alsatian.records.settings import compact, flat

# What a figure of the paper says beside, and what says how a figure looks (see ``figures.style``).
_OTHER, _LOOK = ("number", "scaled"), ("style", "columns")


@dataclass(frozen=True)
class Words:
    """What ``figure`` says in a configuration or on a command line. Columns are settings by dotted key or metrics.

    Attributes:
        x: column of the horizontal axis.
        y: metrics, a panel each.
        curve, row, column: settings whose values are curves and rows and columns of panels; several go together.
        where: values that runs have to have, by setting.
        subject: the curve that is drawn strongest; empty for ours.
        caption: what to look for.
    """

    x: str
    y: tuple[str, ...] = ("wall_s",)
    curve: tuple[str, ...] = ("strategy",)
    row: tuple[str, ...] = ()
    column: tuple[str, ...] = ()
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    subject: str = ""
    caption: str = ""

    @classmethod
    def of(cls, written: Mapping[str, Any]) -> Self | None:
        """What is ``written``; None if it says nothing.

        Raises:
            ConfigError: names the key.
        """
        names = [one.name for one in fields(cls)]
        valid = (*names, *_LOOK)
        if unknown := [key for key in written if key not in (*valid, *_OTHER)]:
            raise ConfigError(f"figure.{unknown[0]}: there is no such key; {nearest(unknown[0], valid)}")
        found = {key: written[key] for key in names if written.get(key) not in (None, "", [], {})}
        if not found and written.get("x") != "":
            return None
        if "x" not in found:
            raise ConfigError("figure.x: needs a value here; write e.g. figure.x=cache.budget")
        for key, value in found.items():
            if key == "where":
                if not isinstance(value, Mapping):
                    raise ConfigError(
                        f"figure.where={value}: write a setting and its value, e.g. figure.where.seed=0"
                    )
                found[key] = {name: _texts(own) for name, own in _leaves(value)}
            elif isinstance(value, Mapping) or (isinstance(value, list) and key in ("x", "subject", "caption")):
                raise ConfigError(f"figure.{key}={compact(value)}: a text is expected")
            else:
                found[key] = _texts(value) if key in ("y", "curve", "row", "column") else str(value)
        if found.get("row") and found.get("column") and len(found.get("y", ())) > 1:
            raise ConfigError("figure.y: several take the rows or columns; leave out figure.row or figure.column")
        return cls(**found)


def _leaves(written: Mapping[str, Any], above: str = "") -> list[tuple[str, Any]]:
    """Dotted keys and values of what may be nested."""
    found: list[tuple[str, Any]] = []
    for key, value in written.items():
        found += _leaves(value, f"{above}{key}.") if isinstance(value, Mapping) else [(f"{above}{key}", value)]
    return found


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(flat({"": one})[""] for one in (value if isinstance(value, list | tuple) else [value]))
