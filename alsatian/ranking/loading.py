"""The models and features behind a ranking."""

import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from alsatian.assembly import STORE, scope_of
from alsatian.blocks.candidate import Candidate
from alsatian.errors import ConfigError, StoreError
from alsatian.models.candidate_modules import candidate_of, module_of
from alsatian.models.model_set import ModelSet
from alsatian.models.sets.listed import ListedSet
from alsatian.records.ranking import BEST, LAST, MEAN
from alsatian.searching.schedules import Exhaustive
from alsatian.store.store import BlockStore

if TYPE_CHECKING:
    from alsatian.ranking.result import Ranking


def load(
    word: str | Path, classes: int | None = None, *, store: str | Path = STORE, modality: str | None = None
) -> torch.nn.Module:
    """The one model that ``word`` names, read as a search reads it.

    Args:
        word: a path, an id in the store, or another word of :class:`~alsatian.models.sets.listed.ListedSet`.
        classes: with a new linear layer for so many classes behind it, all of it ready to be trained.
        store: the folder that keeps models; one that is not there yet is added.
        modality: of a model with two towers: ``"image"`` or ``"text"``.

    Returns:
        A feature extractor in evaluation mode, or with ``classes`` a model in training mode. Its attribute
        ``preprocessing`` turns raw items (N, …) into its input: ``module(*module.preprocessing(items))``.

    Raises:
        AlsatianError: there is no such model, or several, or it cannot be read.
    """
    models = ListedSet(models=[word], modality=modality).open(BlockStore(store))
    if len(models.candidates) > 1:
        ids = ", ".join(candidate.id for candidate in models.candidates[:3])
        raise ConfigError(f"load: '{word}' names {len(models.candidates)} models ({ids}, …); name one of them")
    return instance_of(models, models.candidates[0].id, classes)


def instance_of(
    models: ModelSet, model: str, classes: int | None = None, given: torch.nn.Module | None = None
) -> torch.nn.Module:
    """The candidate with id ``model`` as :func:`load` returns it; a copy of the module that it was ``given`` as."""
    candidate = candidate_of(models, model)
    module = module_of(models, model) if given is None else copy.deepcopy(given).eval()
    if classes is not None:
        module = with_classes(module, candidate, classes)
    # No parameter of the module: what it looks at are raw items.
    object.__setattr__(module, "preprocessing", candidate.preprocessing)
    return module


def with_classes(extractor: torch.nn.Module, candidate: Candidate, classes: int) -> torch.nn.Module:
    """``extractor`` with a new linear layer for so many ``classes`` behind it, all of it ready to be trained.

    Raises:
        ConfigError: ``classes`` is not at least 1.
    """
    if type(classes) is not int or classes < 1:
        raise ConfigError(f"classes={classes!r}: must be a whole number of at least 1")
    model = torch.nn.Sequential(extractor, torch.nn.Flatten(), torch.nn.Linear(candidate.dimension, classes))
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
    if not result.models.store.root.exists():
        raise StoreError(
            f"{result.models.store.root}: the folder of the models is gone; search with store=FOLDER to keep it"
        )
    candidates = tuple(c for c in result.models.candidates if c.id == model)
    models, choice = replace(result.models, candidates=candidates, refused={}), result.layers.choice
    layer = {model: number for found in result.rounds for model, number in found.layers.items()}.get(model)
    if choice == BEST and layer is not None:
        models = scope_of(BEST, models, "raise", result.device).candidates
        models = replace(models, candidates=(models.candidates[layer - 1],))
    kept = _Kept()
    result.again(
        models,
        result.dataset,
        proxies=kept,
        strategy=replace(result.strategy, schedule=Exhaustive()),
        layers=MEAN if choice == MEAN else LAST,
        batch_size=result.batch_size,
        device=result.device,
        kernels=result.kernels,
        numerics=result.numerics,
    )
    names = ("train_x", "train_y", "test_x", "test_y")
    return dict(zip(names, kept.given, strict=True))
