"""Which model an adapter was made for: one of its own folder, or one that was added to the store before."""

from collections.abc import Sequence
from pathlib import Path

from alsatian.errors import ConfigError
from alsatian.models.reading.discovery import ModelFiles
from alsatian.models.reading.origins import Origins
from alsatian.models.reading.parameters import lora


def base_of(adapter: ModelFiles, models: Sequence[ModelFiles], stored: Origins) -> ModelFiles:
    """The model that ``adapter`` was made for: of its own folder, or of one that was added before."""
    name = lora.base_name(adapter.path)
    places = ((adapter.path / name).resolve(), Path(name).resolve())
    parts = tuple(part for part in Path(name).parts if part not in ("/", ".", ".."))
    here = [m for m in models if m.kind != "adapter"]
    # The nearest meaning first: a path, then the end of a path, then a name.
    for pool in (here, stored.files()):
        for fits in (
            [m for m in pool if m.path.resolve() in places],
            [m for m in pool if parts and _tail(m.id, len(parts)) == parts],
            [m for m in pool if parts and _tail(m.id, 1) == parts[-1:]],
        ):
            if len(fits) > 1:
                same = len({m.id for m in fits}) < len(fits)
                names = ", ".join(str(m.path) if same else m.id for m in fits)
                raise ConfigError(f"{adapter.path}: its base '{name}' may be any of {names}; write its path")
            if fits:
                return fits[0]
    raise ConfigError(
        f"{adapter.path}: its base '{name}' is not in this folder; put it there, or add the base's folder first"
    )


def _tail(model_id: str, length: int) -> tuple[str, ...]:
    return tuple(model_id.split("/"))[-length:]
