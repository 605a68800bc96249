"""Several model sets searched as one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from alsatian.blocks.segment import Segment
from alsatian.errors import ConfigError
from alsatian.models.model_set import ModelSet
from alsatian.progress import Progress, unheard
from alsatian.store.store import BlockStore


class Opens(Protocol):
    """A description of a model set."""

    def open(self, store: BlockStore, device: str = "cpu", progress: Progress = unheard) -> ModelSet:
        """The model set from ``store``."""
        ...


@dataclass(frozen=True, kw_only=True)
class JoinedSet:
    """The models of all ``sets``, in their order.

    Attributes:
        name: for people.
        sets: by a name of their own.
    """

    name: str
    sets: Mapping[str, Opens]

    def __post_init__(self) -> None:
        if not self.sets:
            raise ConfigError("model_set.sets is empty; name at least one model set")

    def open(self, store: BlockStore, device: str = "cpu", progress: Progress = unheard) -> ModelSet:
        """The model set from ``store``, for searches on ``device``; what is missing is made first."""
        opened = [one.open(store, device, progress) for one in self.sets.values()]
        segments: dict[str, Segment] = {}
        for models in opened:
            segments.update(models.segments)
        refused = {model_id: line for models in opened for model_id, line in models.refused.items()}
        return ModelSet(tuple(c for models in opened for c in models.candidates), store, segments, refused)
