"""A model set from words: folders, files, lists, and models of the store, of the Hugging Face Hub and of timm."""

import fnmatch
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from alsatian.blocks.candidate import Candidate
from alsatian.blocks.segment import Segment
from alsatian.errors import ConfigError
from alsatian.models.model_set import ModelSet, check_refused
from alsatian.models.names import distinct, endings
from alsatian.models.reading.discovery import ModelFiles, find
from alsatian.models.reading.inputs.settings import DEFAULT_LENGTH, Reading
from alsatian.models.reading.parameters.state_dicts import EMA
from alsatian.models.sets.hub import HubSet
from alsatian.models.sets.ingest import add_models
from alsatian.models.words import FORMS, HUB, PATH, Word, words_of
from alsatian.progress import Progress, unheard
from alsatian.store.store import BlockStore
from alsatian.store.summaries import origin_of


@dataclass
class _Entry:
    """A model that a word names, read or not.

    Attributes:
        names: what it may be called, shortest first.
        key: the same for the same model.
        source: the word that names it alone.
        files: what it is to be read from; None for one that is stored.
        stored: its id in the store, once it is there.
        refused: why it cannot be used.
    """

    names: list[str]
    key: str
    source: str
    files: ModelFiles | None = None
    stored: str = ""
    refused: str = ""


@dataclass(frozen=True, kw_only=True)
class ListedSet:
    """The models that words name.

    A model is called by the shortest end of its path that tells it from the others, whatever the store calls it.
    Its metadata have the word that names it alone as ``source``, and its id in the store as ``stored``.

    Attributes:
        models: words, see :func:`alsatian.models.words.words_of`. A model that is named twice is one model.
        name: for people.
        length, weights, modality, pooling: see :class:`alsatian.models.reading.inputs.settings.Reading`.
        exclude: names of models to leave out; ``*`` stands for anything.
        include: ids of models to take although they lie in another model's folder, such as ``*/checkpoint-*``.
        on_bad_model: ``"raise"``, or ``"exclude"`` to go on past files that are no model that can be used. What the
            Hub does not give is an error all the same.
    """

    models: Sequence[str | Path]
    name: str = "listed"
    length: int = DEFAULT_LENGTH
    weights: str = EMA
    modality: str | None = None
    pooling: str | None = None
    exclude: Sequence[str] = ()
    include: Sequence[str] = ()
    on_bad_model: str = "raise"

    def __post_init__(self) -> None:
        if isinstance(self.models, str | Path):
            object.__setattr__(self, "models", (self.models,))
        if not self.models:
            raise ConfigError(f"models: none is named; a model is {FORMS}")
        assert self.reading

    @property
    def reading(self) -> Reading:
        """How its models are read where there is a choice."""
        return Reading.of(self)

    def open(self, store: BlockStore, device: str = "cpu", progress: Progress = unheard) -> ModelSet:
        """The model set from ``store``, for searches on ``device``; new and changed models are added first.

        Raises:
            ConfigError: a word names nothing, or the Hub cannot be asked.
            BadModelError: models cannot be used, one line for each, and are not to be excluded; or none can.
        """
        left_out: list[str] = []
        hub: dict[str, Candidate] = {}
        segments: dict[str, Segment] = {}
        entries: dict[str, _Entry] = {}
        for word in words_of(self.models, store.model_ids()):
            if word.kind == PATH:
                found = self._of_path(word, left_out)
            elif word.kind == HUB:
                opened = self._of_hub(word).open(store, device, progress)
                segments.update(opened.segments)
                hub |= {candidate.id: candidate for candidate in opened.candidates}
                found = (_hub_entry(word, candidate) for candidate in opened.candidates)
            else:
                found = iter([_stored_entry(word, store.known(word.value))])
            for entry in found:
                entries.setdefault(entry.key, entry)
        names = distinct([entry.names for entry in entries.values()])
        chosen = {
            name: entry
            for name, entry in zip(names, entries.values(), strict=True)
            if not any(fnmatch.fnmatchcase(name, pattern) for pattern in self.exclude)
        }
        files = [entry.files for entry in chosen.values() if entry.files]
        added, bad = add_models(store, files, self.reading, "reading models", progress)
        for entry in chosen.values():
            if entry.files:
                entry.stored, entry.refused = added.get(entry.files, ""), bad.get(entry.files, "")
        refused = {name: entry.refused for name, entry in chosen.items() if entry.refused}
        check_refused(refused, len(chosen), self.on_bad_model)
        ids = [e.stored for e in chosen.values() if not e.refused and e.stored not in hub]
        if ids:
            opened = ModelSet.open(store, list(dict.fromkeys(ids)), device)
            segments.update(opened.segments)
            hub |= {candidate.id: candidate for candidate in opened.candidates}
        candidates = tuple(
            replace(c, id=name, metadata={**c.metadata, "source": entry.source, "stored": entry.stored})
            for name, entry in chosen.items()
            if not entry.refused
            for c in [hub[entry.stored]]
        )
        return ModelSet(candidates, store, segments, refused, tuple(dict.fromkeys(left_out)))

    def _of_path(self, word: Word, left_out: list[str]) -> Iterator[_Entry]:
        """The models at or below a path, and what is there and cannot be used."""
        root = Path(word.value)
        try:
            found = find(root, self.include)
            if not found.models and not found.refused:
                raise ConfigError(f"{root}: holds no model")
        except ConfigError as error:
            names = [word.text, os.path.abspath(root)]
            yield _Entry(names, os.path.realpath(root), word.text, refused=str(error))
            return
        left_out += found.left_out.values()
        for files in (found.models[key] for key in sorted(found.models)):
            source = word.text if files.path == root else str(files.path)
            yield _Entry(endings(files.path, files.id), os.path.realpath(files.path), source, files)
        for place, line in sorted(found.refused.items()):
            path = root / place
            yield _Entry(endings(path, place), f"{os.path.realpath(path)} refused", str(path), refused=line)

    def _of_hub(self, word: Word) -> HubSet:
        settings = self.reading.plain()
        name = f"hub-{word.value.replace('/', '--')}" + (f"+{word.fine_tunes}" if word.fine_tunes else "")
        return HubSet(name=name, base=word.value, revision=word.revision, limit=word.fine_tunes, **settings)


def _hub_entry(word: Word, candidate: Candidate) -> _Entry:
    """A model of the Hub, which its set has stored."""
    origin = candidate.metadata["hub"]
    source = f"hub:{origin['id']}@{origin['revision']}" if word.text.startswith("hub:") else word.text
    return _Entry([origin["id"], candidate.id, f"hub:{candidate.id}"], candidate.id, source, stored=candidate.id)


def _stored_entry(word: Word, known: Candidate | None) -> _Entry:
    """A model of the store, which is that of the path that it was read from."""
    key = origin_of(known).get("path") if known else None
    return _Entry([word.value, f"store:{word.value}"], key or word.value, f"store:{word.value}", stored=word.value)
