"""What a user says of models whose own files leave a choice."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from alsatian.errors import ConfigError, nearest
from alsatian.models.reading.features.pooling import check_pooling
from alsatian.models.reading.parameters.checkpoints import read_json
from alsatian.models.reading.parameters.state_dicts import CHOICES, EMA

STATED = "alsatian.json"
"""The file in which a user states what a folder's own files do not say."""
DEFAULT_LENGTH = 128
IMAGE, TEXT = "image", "text"
MODALITIES = (IMAGE, TEXT)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How models are read where there is a choice.

    Attributes:
        length: tokens of a text, at most; a model with fewer positions takes fewer.
        weights: of a checkpoint with averaged and raw weights, ``"ema"`` or ``"raw"``.
        modality: of a model with one tower for images and one for texts, ``"image"`` or ``"text"``; None for that
            of images if an image processor lies beside it. Other models are not concerned.
        pooling: how a text's tokens become one vector where the model's files do not say; see ``POOLINGS`` of
            :mod:`alsatian.models.reading.features.pooling`.
    """

    length: int = DEFAULT_LENGTH
    weights: str = EMA
    modality: str | None = None
    pooling: str | None = None

    def __post_init__(self) -> None:
        if type(self.length) is not int or self.length < 2:
            raise ConfigError(f"length={self.length!r}: a number of tokens is needed, at least 2")
        if self.weights not in CHOICES:
            raise ConfigError(f"weights={self.weights!r}: {nearest(str(self.weights), CHOICES)}")
        if self.modality is not None and self.modality not in MODALITIES:
            raise ConfigError(f"modality={self.modality!r}: {nearest(str(self.modality), MODALITIES)}")
        if self.pooling is not None:
            check_pooling(self.pooling)

    @classmethod
    def of(cls, settings: Any) -> "Reading":
        """Those of a model set, which has them among its own."""
        return cls(**{field.name: getattr(settings, field.name) for field in fields(cls)})

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    def changed(self, stated: Mapping[str, Any], path: Path) -> "Reading":
        """With what the file ``path`` states of one model or folder.

        Raises:
            ConfigError: a value is not of its form.
        """
        own = {field.name: stated[field.name] for field in fields(self) if field.name in stated}
        try:
            return replace(self, **own)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None


_FOR_ALL = ("size", "mean", "std", "prefix", *(field.name for field in fields(Reading)))
_ARCHITECTURE = ("source", "name", "options", "transforms")


def stated_in(path: Path, architecture: bool = False) -> dict[str, Any]:
    """What a user's JSON file ``path`` states; with ``architecture`` errors offer what states one as well.

    Raises:
        ConfigError: it cannot be read, or has a key or value that is none.
    """
    value = read_json(path)
    valid = (*_FOR_ALL, *_ARCHITECTURE) if architecture else _FOR_ALL
    for key in value:
        # What is stated for a whole folder may hold more than one of its models needs.
        if key not in (*_FOR_ALL, *_ARCHITECTURE):
            raise ConfigError(f"{path}: '{key}' is unknown; {nearest(key, valid)}")
    if not isinstance(value.get("options") or {}, Mapping):
        raise ConfigError(f"{path}: options={value['options']!r}: arguments by name are needed, e.g. {{}}")
    if not isinstance(value.get("prefix") or "", str):
        raise ConfigError(f"{path}: prefix={value['prefix']!r}: the start of parameters' names is needed")
    return value
