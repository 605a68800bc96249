"""``alsatian.Ranking``: what :func:`alsatian.search` returns."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from alsatian.assembly import Opened
from alsatian.blocks.candidate import Candidate
from alsatian.data.dataset import Dataset
from alsatian.data.preprocessing import Preprocessing
from alsatian.errors import ConfigError, nearest
from alsatian.models.model_set import ModelSet
from alsatian.proxies.base import Proxy, name_of
from alsatian.proxies.scales import scale_warning
from alsatian.records import ranking as records
from alsatian.runtime.layers import WHOLE, Layers
from alsatian.searching.outlook import Outlook
from alsatian.searching.search import SearchResult
from alsatian.searching.strategy import Strategy

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, repr=False)
class Ranking(SearchResult):
    """Candidate models, best first, with what the search measured.

    Attributes:
        models: the candidates that could be read.
        dataset: what they were scored on.
        proxies: the first one decides.
        batch_size, strategy, device, kernels, numerics: of the search.
        layers: of the models, and which of them were scored.
        again: searches as :func:`alsatian.search` does.
        known: indices of batches whose features were known before, by model.
        expected: what it was expected to take, if that was asked for.
    """

    models: ModelSet
    dataset: Dataset
    proxies: tuple[Proxy, ...]
    batch_size: int
    strategy: Strategy
    device: torch.device
    kernels: str
    numerics: str
    again: "Callable[..., Ranking]" = field(repr=False, compare=False)
    layers: Layers = WHOLE
    known: Mapping[str, Collection[int]] = field(default_factory=dict)
    expected: Outlook | None = None
    opened: Opened | None = field(default=None, compare=False)

    @property
    def proxy_names(self) -> tuple[str, ...]:
        """Names of the proxies, in their order."""
        return tuple(map(name_of, self.proxies))

    @cached_property
    def record(self) -> records.Ranking:
        """The ranking as typed data; ``record.plain()`` is what ``ranking.json`` holds."""
        from alsatian.ranking.rows import record_of

        return record_of(self)

    @property
    def ranking(self) -> "pd.DataFrame":
        """One row a model, best first, indexed by place; see :class:`alsatian.records.ranking.RankedModel`."""
        from alsatian.ranking.tables import frame

        return frame(self.record)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may be wrong with comparing the first proxy's scores."""
        norms = {model: norm for found in self.rounds for model, norm in found.norms.items()}
        warning = scale_warning(self.proxies[:1], norms)
        return (warning,) if warning else ()

    @property
    def best(self) -> str:
        """Id of the best model."""
        return self.winner

    def load(self, model: str | None = None, classes: int | None = None) -> torch.nn.Module:
        """The best model, or the one with id ``model``, with its parameters.

        Returns:
            A feature extractor in evaluation mode: its input, as ``result.preprocessing(model)`` prepares it, to
            features (N, D). With ``classes`` a new linear layer behind it and all of it ready to be trained.

        Raises:
            ConfigError: there is no such model, or it could not be used.
        """
        from alsatian.ranking.loading import instance_of

        candidate = self._candidate(model)
        given = self.opened.modules.get(candidate.id) if self.opened else None
        return instance_of(self.models, candidate.id, classes, given)

    def preprocessing(self, model: str | None = None) -> Preprocessing:
        """What turns raw items (N, …) into the input of the best model, or of the one with id ``model``."""
        return self._candidate(model).preprocessing

    def features(self, model: str | None = None) -> dict[str, torch.Tensor]:
        """Features and labels of all items, of the best model or of the one with id ``model``.

        With ``layers="best"`` they are those of the layer that was chosen in the model's last round, with
        ``"mean"`` the mean over its layers.

        Returns:
            ``train_x`` and ``test_x`` (N, D), the same bits as in the search, with ``train_y`` and ``test_y`` (N,).
        """
        from alsatian.ranking.loading import features_of

        return features_of(self, self._candidate(model).id)

    def report(self, path: str | Path) -> Path:
        """Write the report, one HTML file without scripts, to ``path`` and return that."""
        from alsatian.ranking.report import write

        return write(self.record, Path(path))

    def __getstate__(self) -> dict[str, Any]:
        """With the record, whose making needs the models' blocks: those of modules end with the process."""
        assert self.record
        return dict(vars(self))

    def __repr__(self) -> str:
        first = self.record.ranked[0]
        score = "no score" if first.score is None else f"{self.proxy_names[0]} {first.score:.4f}"
        return (
            f"<Ranking of {len(self.ranked)} models by {', '.join(self.proxy_names)}: best {self.best} ({score})>"
        )

    def _repr_html_(self) -> str:
        from alsatian.ranking.tables import html

        return html(self.record)

    def _candidate(self, model: str | None) -> Candidate:
        wanted = self.best if model is None else model
        known = {candidate.id: candidate for candidate in self.models.candidates}
        if wanted in self.excluded:
            raise ConfigError(f"model '{wanted}' could not be used: {self.excluded[wanted]}")
        if wanted not in known:
            raise ConfigError(f"there is no model '{wanted}' in this search; {nearest(wanted, known)}")
        return known[wanted]
