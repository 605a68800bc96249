"""Which folder here stands for a store, that may be elsewhere; without what reading it takes."""

import os
import re
from pathlib import Path
from typing import Any

from blake3 import blake3

from alsatian.errors import ConfigError
from alsatian.files import make_folder, write_json
from alsatian.runtime.storage.remote import url_of

REMOTE = "remote.json"
SIZE, FOLDERS = "ALSATIAN_MIRROR_SIZE", "ALSATIAN_MIRRORS"
"""Environment variables: how many bytes of block files a mirror may hold, and the folder of all mirrors."""


def local_folder(store: str | Path, mirrors: str | Path | None = None) -> Path:
    """The folder of a store: of one that is named by a URL its mirror in ``mirrors``, which is made if it is new.

    Raises:
        ConfigError: it cannot be made.
    """
    if (url := url_of(store)) is None:
        return Path(store)
    cached = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folders = Path(str(mirrors or "") or os.environ.get(FOLDERS) or Path(cached) / "alsatian" / "mirrors")
    name = re.sub(r"[^a-zA-Z0-9]+", "-", url)[:60].strip("-")
    folder = folders.absolute() / f"{name}-{blake3(url.encode()).hexdigest()[:12]}"
    try:
        if not (folder / REMOTE).exists():
            make_folder(folder)
            write_json(folder / REMOTE, {"url": url})
    except OSError as error:
        raise ConfigError(
            f"{folder}: no mirror of {url} can be made there ({error.strerror}); name another folder in "
            f"storage.mirrors or {FOLDERS}"
        ) from None
    return folder


def with_local_paths(value: Any, store: str, folder: Path) -> Any:
    """``value``, plain data, with paths below a store elsewhere as paths below its mirror, ``folder``."""
    if isinstance(value, dict):
        return {key: with_local_paths(item, store, folder) for key, item in value.items()}
    if isinstance(value, list):
        return [with_local_paths(item, store, folder) for item in value]
    if isinstance(value, str) and url_of(store) and value.startswith(f"{store}/"):
        return str(folder / value.removeprefix(f"{store}/"))
    return value
