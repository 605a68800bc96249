"""Lock files: which models of the Hugging Face Hub make up a set, at which revision.

A hub changes by the hour. A set is therefore looked up once, written down, and read from then on; with its
lock file anyone gets the same models, or is told which are gone.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from alsatian.errors import ConfigError, first_line
from alsatian.files import make_folder, write_json
from alsatian.records.base import Record

FINETUNE_TAG = "base_model:finetune:"
LICENCE_TAG = "license:"
# What is asked of every model; the hub returns nothing else then.
_EXPAND = ["sha", "downloads"]


class Filters(Record):
    """Which fine-tunes belong to a set.

    Attributes:
        task: the hub's pipeline tag, e.g. ``"image-classification"``; None for any.
        licence: e.g. ``"apache-2.0"``; None for any.
        min_downloads: over the hub's last 30 days.
        limit: most fine-tunes, the most downloaded first; 0 for the base alone, None for all.
    """

    task: str | None = None
    licence: str | None = None
    min_downloads: int = 0
    limit: int | None = None

    def model_post_init(self, context: Any) -> None:
        """Refuse what no set has, naming the setting."""
        if self.min_downloads < 0:
            raise ConfigError(f"model_set.min_downloads={self.min_downloads}: must be at least 0")
        if self.limit is not None and self.limit < 0:
            raise ConfigError(f"model_set.limit={self.limit}: must be at least 0, or null for all fine-tunes")


class Entry(Record):
    """A model of the hub.

    Attributes:
        id: owner and name there.
        revision: the commit, 40 hexadecimal digits.
        downloads: when it was looked up.
    """

    id: str
    revision: Annotated[str, StringConstraints(pattern="^[0-9a-f]{40}$")]
    downloads: int


class Lock(Record):
    """The models of a set: the base first, then its fine-tunes by falling downloads, ties by id."""

    version: Literal[1] = Field(default=1, alias="schema")
    base: str
    filters: Filters
    models: tuple[Entry, ...]

    def write(self, path: Path) -> None:
        """Write the lock file."""
        make_folder(path.parent)
        write_json(path, self.plain())


def read_lock(path: Path) -> Lock:
    """The lock in file ``path``.

    Raises:
        ConfigError: it is not a lock file of this version.
    """
    try:
        return Lock.of(json.loads(path.read_bytes()))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise ConfigError(f"{path}: is not a lock file of models ({error}); delete it to make it again") from None


def resolve(base: str, filters: Filters, api: Any = None, revision: str | None = None) -> Lock:
    """Look up ``base`` and its fine-tunes on the hub. The base belongs to the set whatever the filters say.

    ``revision`` is a branch or commit of the base; None for its newest commit. ``api`` stands for a
    ``huggingface_hub.HfApi``, of which ``list_models`` and ``model_info`` are used.

    Raises:
        ConfigError: the hub cannot be asked, or has no such base.
    """
    tags = [f"{FINETUNE_TAG}{base}"]
    if filters.licence is not None:
        tags.append(f"{LICENCE_TAG}{filters.licence}")
    try:
        if api is None:
            from huggingface_hub import HfApi

            api = HfApi()
        origin = api.model_info(base, revision=revision) if revision else api.model_info(base)
        listed = []
        if filters.limit != 0:
            listed = list(api.list_models(filter=tags, pipeline_tag=filters.task, expand=_EXPAND))
        listed = [m for m in listed if m.id != base and (m.downloads or 0) >= filters.min_downloads]
        # The hub's own order leaves ties open, so all are sorted here before the limit is applied.
        listed = sorted(listed, key=lambda m: (-(m.downloads or 0), m.id))[: filters.limit]
        entries = [
            Entry(id=m.id, revision=m.sha or api.model_info(m.id).sha, downloads=m.downloads or 0)
            for m in (origin, *listed)
        ]
    except Exception as error:  # the library and its HTTP client raise many types; the first line says why
        raise ConfigError(
            f"model_set.base={base}: cannot be looked up on the Hugging Face Hub ({first_line(error)}); check the "
            "name and the network, or set model_set.lock to a lock file or model_set.folder to a folder of models"
        ) from error
    return Lock(base=base, filters=filters, models=tuple(entries))


def cached(base: str, filters: Filters, revision: str | None = None) -> Lock:
    """``base`` alone, at the ``revision`` that lies in the library's local cache.

    Raises:
        ConfigError: none does.
    """
    import huggingface_hub

    try:
        folder = huggingface_hub.snapshot_download(
            base, revision=revision, allow_patterns=["config.json"], local_files_only=True
        )
        entry = Entry(id=base, revision=Path(folder).name, downloads=0)
    except (OSError, ValueError) as error:  # the library's own errors are of these types
        raise ConfigError(
            f"{base}: is not in the local cache of the Hugging Face Hub, and without network (HF_HUB_OFFLINE) it "
            "cannot be downloaded"
        ) from error
    return Lock(base=base, filters=filters, models=(entry,))
