"""The models and features behind a ranking."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from alsatian.blocks.candidate import Candidate
from alsatian.errors import ConfigError
from alsatian.searching.schedules import Exhaustive

if TYPE_CHECKING:
    from alsatian.ranking.result import Ranking

_VALUE_BYTES = 4


def with_classes(extractor: torch.nn.Module, candidate: Candidate, classes: int) -> torch.nn.Module:
    """``extractor`` with a new linear layer for so many ``classes`` behind it, all of it ready to be trained.

    Raises:
        ConfigError: ``classes`` is not at least 1.
    """
    if type(classes) is not int or classes < 1:
        raise ConfigError(f"classes={classes!r}: must be a whole number of at least 1")
    dimension = candidate.blocks[-1].output_bytes // _VALUE_BYTES
    model = torch.nn.Sequential(extractor, torch.nn.Flatten(), torch.nn.Linear(dimension, classes))
    return model.requires_grad_().train()


@dataclass
class _Kept:
    """A proxy that keeps what it is given."""

    name: ClassVar[str] = "kept"
    regression: ClassVar[bool] = True
    given: tuple[torch.Tensor, ...] = ()

    def score(self, *given: Any) -> float:
        self.given = given[:4]
        return 0.0


def features_of(result: "Ranking", model: str) -> dict[str, torch.Tensor]:
    """See :meth:`alsatian.ranking.result.Ranking.features`: that search again, of this model over all items."""
    from alsatian.api import search  # which makes such results

    candidates = tuple(c for c in result.models.candidates if c.id == model)
    kept = _Kept()
    search(
        replace(result.models, candidates=candidates, refused={}),
        result.dataset,
        proxies=kept,
        strategy=replace(result.strategy, schedule=Exhaustive()),
        batch_size=result.batch_size,
        device=result.device,
    )
    names = ("train_x", "train_y", "test_x", "test_y")
    return dict(zip(names, kept.given, strict=True))
