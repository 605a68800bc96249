"""Which model an adapter was made for: one of its own folder, or one that was added to the store before."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alsatian.blocks.store import BlockStore
from alsatian.errors import ConfigError
from alsatian.models.reading.discovery import ModelFiles
from alsatian.models.reading.parameters import lora


def base_of(store: BlockStore, adapter: ModelFiles, models: Sequence[ModelFiles], stored: set[str]) -> ModelFiles:
    """The model that ``adapter`` was made for: of its own folder, or of one that was added before."""
    name = lora.base_name(adapter.path)
    places = ((adapter.path / name).resolve(), Path(name).resolve())
    parts = tuple(part for part in Path(name).parts if part not in ("/", ".", ".."))
    here = [m for m in models if m.kind != "adapter"]
    # The nearest meaning first: a path, then the end of a path, then a name.
    for pool in (here, _added_before(store, stored)):
        for fits in (
            [m for m in pool if m.path.resolve() in places],
            [m for m in pool if parts and _tail(m.id, len(parts)) == parts],
            [m for m in pool if parts and _tail(m.id, 1) == parts[-1:]],
        ):
            if len(fits) > 1:
                names = ", ".join(m.id for m in fits)
                raise ConfigError(f"{adapter.path}: its base '{name}' may be any of {names}; write its path")
            if fits:
                return fits[0]
    raise ConfigError(
        f"{adapter.path}: its base '{name}' is not in this folder; put it there, or add the base's folder first"
    )


def _added_before(store: BlockStore, stored: set[str]) -> list[ModelFiles]:
    """Models of other folders whose files are still there."""
    added = []
    for model_id in sorted(stored):
        known = store.known(model_id)
        origin: Any = known.metadata.get("folder") if known else None
        if origin and origin["kind"] != "adapter" and Path(origin["path"]).exists():
            statement = Path(origin["statement"]) if origin["statement"] else None
            added.append(ModelFiles(model_id, origin["kind"], Path(origin["path"]), statement))
    return added


def _tail(model_id: str, length: int) -> tuple[str, ...]:
    return tuple(model_id.split("/"))[-length:]
