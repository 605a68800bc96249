"""The network that a model set starts from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from alsatian.blocks.candidate import ArchitectureSpec
from alsatian.data.preprocessing import ImagePreprocessing, Preprocessing
from alsatian.errors import ConfigError
from alsatian.models.reading.discovery import find
from alsatian.models.reading.inputs.images import READING_VERSION
from alsatian.models.reading.inputs.settings import Reading
from alsatian.store.store import BlockStore

Resolved = tuple[ArchitectureSpec, Preprocessing, str | None]
"""Architecture, preprocessing, and the stored model that holds the parameters (None: random ones)."""


class Start(Protocol):
    """See the module."""

    def resolve(self, store: BlockStore) -> Resolved:
        """Bring what is needed into ``store``."""
        ...

    def contents(self) -> list[Any]:
        """What its files hold, as plain data."""
        ...


@dataclass(frozen=True, kw_only=True)
class RandomStart:
    """A torchvision architecture with random parameters.

    Attributes:
        architecture: its builder's name.
        options: the builder's arguments.
        size: height and width of its input in pixels.
    """

    architecture: str
    options: Mapping[str, Any] = field(default_factory=dict)
    size: int = 224

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ConfigError(f"model_set.start.size={self.size}: must be at least 1 pixel")

    def resolve(self, store: BlockStore) -> Resolved:
        spec = ArchitectureSpec("torchvision", self.architecture, dict(self.options))
        return spec, ImagePreprocessing(self.size), None

    def contents(self) -> list[Any]:
        return []  # there are no files


@dataclass(frozen=True, kw_only=True)
class LibraryStart(RandomStart):
    """The same of any library: ``source`` is ``"torchvision"`` or ``"transformers"``, ``options`` the configuration
    of a model class there.
    """

    source: str = "transformers"

    def resolve(self, store: BlockStore) -> Resolved:
        spec, preprocessing, weights = super().resolve(store)
        return replace(spec, source=self.source), preprocessing, weights


@dataclass(frozen=True, kw_only=True)
class PretrainedStart:
    """A model saved with ``save_pretrained``, in a folder or in an installed Python package.

    Attributes:
        path: the folder; ``package:NAME/SUBFOLDER`` for one inside a package.
        length: tokens of an item, for text.
        reading: version of what its files are taken to say; part of what a set is.
    """

    path: str
    length: int = 128
    reading: int = field(default=READING_VERSION, init=False)

    def resolve(self, store: BlockStore) -> Resolved:
        from alsatian.models.sets.ingest import add_one

        # Not by the folder's name, which other models may have as well.
        name = f"{self.path}@{self.length}"
        reading = Reading(length=self.length)
        model = add_one(store, self.folder(), name, reading=reading, metadata={"start": self.path})
        assert model.architecture is not None
        return model.architecture, model.preprocessing, model.id

    def contents(self) -> list[Any]:
        return [model.stamp() for _, model in sorted(find(self.folder()).models.items())]

    def folder(self) -> Path:
        """Where the model lies.

        Raises:
            ConfigError: its package is not installed.
        """
        scheme, _, rest = self.path.partition(":")
        if scheme != "package":
            return Path(self.path)
        package, _, inside = rest.partition("/")
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise ConfigError(
                f"model_set.start.path={self.path}: the package {package} is not installed; "
                f"pip install {package.replace('_', '-')}"
            )
        return Path(spec.origin).parent / inside
