"""A model set: candidates, the store that holds their blocks, and the code to run them."""

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch

from alsatian.blocks.candidate import Candidate, chain_bytes
from alsatian.blocks.kernels import computed_by
from alsatian.blocks.segment import Segment
from alsatian.blocks.split import split
from alsatian.data.preprocessing import Preprocessing
from alsatian.errors import AlsatianError, BadModelError, ConfigError, StoreError
from alsatian.fingerprint import set_digest
from alsatian.models.heads import classifier_of
from alsatian.models.modules import prepared
from alsatian.models.reading.architectures import architecture
from alsatian.models.storing import add_module, match_segments
from alsatian.store.parts import Parts, parts_of, unit_bytes
from alsatian.store.store import BlockStore

# Models that a note names.
_NAMED = 3


@dataclass(frozen=True)
class CandidateSet:
    """Candidate models as chains of blocks: enough to identify a search and to predict it.

    Attributes:
        candidates: in their given order.
    """

    candidates: tuple[Candidate, ...]

    def __post_init__(self) -> None:
        if not self.candidates:
            raise ConfigError("the model set is empty; a search needs at least one candidate model")
        seen: set[str] = set()
        for candidate in self.candidates:
            if candidate.id in seen:
                raise ConfigError(f"two models have the id '{candidate.id}'; every model needs an id of its own")
            seen.add(candidate.id)

    @property
    def digest(self) -> str:
        """Digest of model ids, preprocessing and block identities; results compare only between equal digests."""
        return set_digest(
            (c.id, c.preprocessing.fingerprint, [b.identity for b in c.blocks]) for c in self.candidates
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What was taken of several possibilities, and assumed, when the models were read: one line each."""
        ids: dict[str, list[str]] = {}
        for candidate in self.candidates:
            given = candidate.metadata.get("notes", ())
            for note in given if isinstance(given, list | tuple) else ():
                ids.setdefault(str(note), []).append(candidate.id)
        more = {note: [f"{len(same) - _NAMED} more"] if len(same) > _NAMED else [] for note, same in ids.items()}
        return tuple(f"{', '.join([*same[:_NAMED], *more[note]])}: {note}" for note, same in ids.items())

    @property
    def total_bytes(self) -> int:
        """Bytes of all models' parameters, as separate files would hold them."""
        return sum(candidate.parameter_bytes for candidate in self.candidates)

    @property
    def distinct_bytes(self) -> int:
        """Bytes of all distinct blocks' parameters."""
        return chain_bytes(c.blocks for c in self.candidates)[1]


@dataclass(frozen=True)
class ModelSet(CandidateSet):
    """Candidate models to search.

    Attributes:
        store: holds the blocks of all candidates.
        segments: code by block identity, on the device of the search.
        refused: models that cannot be candidates, with the reason; a search ranks them last.
        left_out: one line for everything else that was passed over where the models lie, and how to include it.
    """

    store: BlockStore
    segments: Mapping[str, Segment]
    refused: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        return (*super().notes, *self.left_out)

    @property
    def deltas(self) -> list[tuple[str, int]]:
        """Which tensors the store holds as deltas: block and number, sorted."""
        return self.store.delta_places(block.identity for one in self.candidates for block in one.blocks)

    @property
    def distinct_bytes(self) -> int:
        """Bytes of all distinct parameters, which blocks may have in common."""
        return unit_bytes((block for candidate in self.candidates for block in candidate.blocks), self.parts)

    @cached_property
    def parts(self) -> Parts:
        """The parts of those blocks that share parameters with others."""
        blocks = {block.identity: block for candidate in self.candidates for block in candidate.blocks}
        return parts_of(self.store, {identity: self.segments[identity] for identity in blocks})

    def verifying(self, verify: str) -> "ModelSet":
        """The same, with the reads of blocks verified that ``verify`` says; see :class:`StoreFiles`."""
        return replace(self, store=self.store.verifying(verify))

    @classmethod
    def open(cls, store: BlockStore, ids: Sequence[str], device: torch.device | str = "cpu") -> "ModelSet":
        """Models of ``store`` by id.

        Raises:
            StoreError: a manifest is missing or invalid, or was made from other code than is installed.
        """
        candidates = tuple(store.model(model_id) for model_id in ids)
        segments: dict[str, Segment] = {}
        for candidate in candidates:
            if candidate.architecture is None:
                raise StoreError(f"{store.root}: model '{candidate.id}' has no architecture to build it from")
            built = architecture(candidate.architecture, candidate.preprocessing, device, store.architectures)
            match_segments(candidate, built, store.root, segments)
        return cls(candidates, store, segments)

    @classmethod
    def from_modules(
        cls,
        store: BlockStore,
        modules: Mapping[str, torch.nn.Module],
        preprocessing: Preprocessing | Mapping[str, Preprocessing],
        device: torch.device | str = "cpu",
        on_bad_model: str = "raise",
    ) -> "ModelSet":
        """Feature extractors of this process, by id, with one preprocessing or one for each.

        Each is exported on its own; their blocks go to ``store``. Modules run in evaluation mode and are left as
        they were. With ``on_bad_model="exclude"`` those that cannot be used are ``refused``. A warning says where
        one ends in a classifier (see :mod:`~alsatian.models.heads`).

        Raises:
            BadModelError: modules cannot be used, one line for each, and are not to be excluded; or none can.
        """
        candidates = []
        segments: dict[str, Segment] = {}
        refused: dict[str, str] = {}
        for model_id, given in modules.items():
            prepares = preprocessing if isinstance(preprocessing, Preprocessing) else preprocessing[model_id]
            try:
                module = prepared(given, model_id)
                built = split(module, prepares.example(), device)
                candidate = add_module(store, model_id, module, built, None, prepares)
            except StoreError:
                raise  # a full disk is no property of the model
            except AlsatianError as error:
                refused[model_id] = f"model '{model_id}': {error}"
                continue
            if (head := classifier_of(built, module)) is not None:
                warnings.warn(
                    f"model '{model_id}': its last layer '{head}' is a classifier, so logits are ranked and no "
                    "features; without_head(module) of alsatian.models.reading.features.extractor cuts it off",
                    stacklevel=3,
                )
            match_segments(candidate, built, store.root, segments)
            candidates.append(candidate)
        check_refused(refused, len(modules), on_bad_model)
        return cls(tuple(candidates), store, segments, refused)

    def computed_by(self, kernels: str, numerics: str) -> "ModelSet":
        """The same models with the kernels and numbers chosen; see :mod:`alsatian.blocks.kernels`."""
        return replace(self, segments=computed_by(self.segments, kernels, numerics))

    @torch.no_grad()
    def compute_example(
        self, candidate: Candidate, sizes: Sequence[int], device: torch.device | str
    ) -> list[float]:
        """Compute so many items without content with one of the models, once for each of ``sizes``: what libraries
        load and choose when something is computed first is there behind it. Returns the seconds of computing."""
        states = [tuple(tensor.to(device) for tensor in candidate.preprocessing.example(size)) for size in sizes]
        seconds = [0.0] * len(states)
        for block in candidate.blocks:
            segment = self.segments[block.identity]
            parameters = segment.arrange(self.store.load_block(block.identity, candidate.id))
            ready = segment.prepare([tensor.to(device) for tensor in parameters])
            for turn, state in enumerate(states):
                begin = time.perf_counter()
                states[turn] = segment(state, ready)
                if states[turn][0].is_cuda:
                    torch.cuda.synchronize(states[turn][0].device)
                seconds[turn] += time.perf_counter() - begin
        return seconds

    def taking(self, modality: str | None, on_bad_model: str = "raise") -> "ModelSet":
        """Those models that take items of ``modality`` (``"image"`` or ``"text"``); the others are ``refused``.

        Raises:
            BadModelError: some do not, and are not to be excluded; or none does.
        """
        if modality is None:
            return self
        others = {
            c.id: f"model '{c.id}': takes {c.preprocessing.modality}s, but the data are {modality}s"
            for c in self.candidates
            if c.preprocessing.modality not in (None, modality)
        }
        if not others:
            return self
        if len(others) == len(self.candidates) > 1:
            line = f"none of the {len(others)} models takes {modality}s, which the data are"
            raise BadModelError(line, others)
        check_refused(others, len(self.candidates), on_bad_model)
        fitting = tuple(c for c in self.candidates if c.id not in others)
        return replace(self, candidates=fitting, refused={**self.refused, **others})


def check_refused(refused: Mapping[str, str], count: int, on_bad_model: str) -> None:
    """Refuse a set of ``count`` models of which some cannot be used, if these are not to be excluded or are all.

    Raises:
        BadModelError: one line for each of them, and one before them if there are several.
    """
    if not refused or (on_bad_model == "exclude" and len(refused) < count):
        return
    more = "" if on_bad_model == "exclude" else "; on_bad_model=exclude goes on without them"
    first = f"{len(refused)} of {count} models cannot be used{more}:\n" if len(refused) > 1 else ""
    raise BadModelError(first + "\n".join(refused.values()), refused)
