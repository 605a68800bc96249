"""Synthetic model sets: copies of one network whose last blocks are drawn anew. Nothing is trained.

Source of the procedure: the paper's synthetic sets. A set starts with one model; each further model copies
a random earlier one and re-initialises its last n blocks. Models are made as chains of block identities, so
that only new blocks are ever drawn and written, and memory holds one model at most.
"""

import gc
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from alsatian.blocks.candidate import HEAD, ArchitectureSpec, Candidate, chain_bytes
from alsatian.blocks.segment import Architecture, Segment
from alsatian.data.preprocessing import ImagePreprocessing, Preprocessing
from alsatian.data.text import TextPreprocessing
from alsatian.errors import ConfigError
from alsatian.files import make_folder, write_bytes
from alsatian.fingerprint import digest_json
from alsatian.models.model_set import ModelSet
from alsatian.models.reading.architectures import architecture, build, code_version
from alsatian.models.reading.parameters.weights import Weights, find_weights, load_weights
from alsatian.models.sets.distributions import check_distribution, lineage
from alsatian.models.storing import add_module
from alsatian.progress import Progress, unheard
from alsatian.store.store import BlockStore

# Buffers that training changes; all other buffers are tables that belong to the architecture.
_STATISTICS = ("running_mean", "running_var")
# Spread of new values where the origin's are all the same (scales of one, biases of zero), as a share of them.
_JITTER = 0.02
_NO_HEAD = "synthetic models are made without classifiers"


@dataclass(frozen=True, kw_only=True)
class SyntheticSet:
    """Copies of one start model, each with its last blocks re-initialised.

    Attributes:
        name: for people; part of the models' ids.
        count: number of candidate models, the start among them.
        source: ``"torchvision"`` or ``"transformers"``.
        architecture: the model there; see :func:`alsatian.models.reading.architectures.build`.
        options: arguments of its builder, or its configuration.
        size: height and width of an image model's input in pixels; None for text.
        length: tokens of a text model's input; None for images.
        tokenizer: a ``tokenizer.json`` for text; None for one of single characters.
        distribution: of the number of new blocks; see :mod:`alsatian.models.sets.distributions`.
        clones: whether that number may be 0, so that a model is the copy of another.
        weights: the start's parameters; see :func:`~alsatian.models.reading.parameters.weights.find_weights`. None
            for random ones.
        seed: of everything random.
    """

    name: str = "synthetic"
    count: int = 35
    source: str = "torchvision"
    architecture: str = "resnet18"
    options: Mapping[str, Any] = field(default_factory=dict)
    size: int | None = 224
    length: int | None = None
    tokenizer: str | None = None
    distribution: str = "top_25"
    clones: bool = False
    weights: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"model_set.count={self.count}: the model set is empty; ask for at least 1 model")
        if (self.size is None) == (self.length is None):
            raise ConfigError("model_set: set either size (images) or length (text), and the other to null")
        if (self.size or self.length or 0) < 1 or self.seed < 0:
            raise ConfigError("model_set: size and length must be at least 1, seed at least 0")
        check_distribution(self.distribution)

    @property
    def spec(self) -> ArchitectureSpec:
        """The architecture of all models."""
        return ArchitectureSpec(self.source, self.architecture, dict(self.options))

    def open(self, store: BlockStore, device: str = "cpu", progress: Progress = unheard) -> ModelSet:
        """The model set from ``store``, for searches on ``device``; models that are missing are made first.

        Raises:
            ConfigError: a setting names something that is not there; the message says what is.
        """
        weights = find_weights(self.weights, self.spec)
        preprocessing = self._preprocessing(store)
        recipe = self._recipe(weights, preprocessing)
        key = f"{self.name}-{digest_json(recipe)[:6]}"
        ids = store.known_set(key)
        if ids is None:
            ids = self._make(store, key, recipe, weights, preprocessing, progress)
        return ModelSet.open(store, ids, device)

    def _recipe(self, weights: Weights, preprocessing: Preprocessing) -> dict[str, Any]:
        """All that decides what the models become on one machine. Files count by content, not by path."""
        settings = {key: value for key, value in asdict(self).items() if key not in ("weights", "tokenizer")}
        prepared = preprocessing.as_dict()
        return {**settings, "preprocessing": prepared, "weights": weights.digest, "code": code_version()}

    def _preprocessing(self, store: BlockStore) -> Preprocessing:
        if self.size is not None:
            return ImagePreprocessing(self.size)
        assert self.length is not None
        if self.tokenizer is not None:
            return TextPreprocessing.of(Path(self.tokenizer), self.length)
        content, tokens = letter_tokenizer()
        if self.options.get("vocab_size", tokens) < tokens:
            raise ConfigError(
                f"model_set.options.vocab_size={self.options['vocab_size']}: the tokenizer of single characters "
                f"has {tokens} tokens; use at least as many, or give model_set.tokenizer"
            )
        file = store.root / "tokenizers" / "letters.json"
        if not file.exists() or file.read_bytes() != content:
            make_folder(file.parent)
            write_bytes(file, content)
        return TextPreprocessing.of(file, self.length)

    def _make(
        self,
        store: BlockStore,
        key: str,
        recipe: dict[str, Any],
        weights: Weights,
        preprocessing: Preprocessing,
        progress: Progress,
    ) -> list[str]:
        """Store all models that are not there yet, and the set; return the models' ids."""
        spec = self.spec
        built = architecture(spec, preprocessing, folder=store.architectures)
        gc.collect()  # an export leaves cycles that hold a whole module
        ids = [f"{key}-{i:02d}" for i in range(self.count)]
        progress(f"making {key} from {weights.note}", 0, len(ids))
        if store.known(ids[0]) is None:
            self._add_start(store, ids[0], built, recipe, weights, preprocessing)
        chains = [store.model(ids[0]).blocks]
        # A block without parameters is the same in all models, so n counts the others.
        open_blocks = [i for i, segment in enumerate(built.segments) if any(drawn_anew(segment))]
        if not open_blocks and self.count > 1 and not self.clones:
            raise ConfigError(f"model_set.architecture={self.architecture} has no parameters to draw anew")
        # Every draw is made even if the model is there already, so that a resumed set is the same.
        drawn = lineage(self.count, len(open_blocks), self.distribution, self.seed, clones=self.clones)
        for i, (model_id, (parent, changed)) in enumerate(zip(ids[1:], drawn, strict=True), start=1):
            progress(f"making {model_id}", i, len(ids))
            if known := store.known(model_id):
                chains.append(known.blocks)
                continue
            blocks = list(chains[parent])
            first = open_blocks[-changed] if changed else len(blocks)
            metadata = {"parent": ids[parent], "changed_blocks": changed, "shared_blocks": first}
            metadata |= {"code": code_version(), "set": recipe, HEAD: {"none": _NO_HEAD}}
            with store.adding() as adding:
                for position in open_blocks[len(open_blocks) - changed :]:
                    # The scale is always that of the start: drawn from drawn values, it would drift.
                    origin = store.load_block(chains[0][position].identity, ids[0])
                    segment = built.segments[position]
                    tensors = redraw(segment, origin, (self.seed, i))
                    blocks[position] = adding.add_block(segment.fingerprint, tensors, segment.output_bytes)
                adding.add_model(Candidate(model_id, tuple(blocks), spec, preprocessing, metadata))
            chains.append(tuple(blocks))
        progress(f"making {key}", len(ids), len(ids))
        total, distinct = chain_bytes(chains)
        sizes = {"distinct_bytes": distinct, "total_bytes": total}
        store.add_set(key, ids, {**recipe, "start": weights.note, **sizes})
        return ids

    def _add_start(
        self,
        store: BlockStore,
        model_id: str,
        built: Architecture,
        recipe: dict[str, Any],
        weights: Weights,
        preprocessing: Preprocessing,
    ) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            module = build(self.spec, preprocessing)
        if weights.file is not None:
            needed = {name for segment in built.segments for name in segment.parameter_names}
            load_weights(module, weights.file, needed - set(built.constants))
        metadata = {"parent": None, "start": weights.note, "pooling": module.pooling, "set": recipe}
        add_module(store, model_id, module, built, self.spec, preprocessing, metadata, _NO_HEAD)


def redraw(segment: Segment, origin: Sequence[torch.Tensor], seed: Sequence[int]) -> list[torch.Tensor]:
    """New parameters for ``segment``, on the scale of ``origin``, the same ones for the same ``seed``.

    Parameters and batch-norm statistics are normal with the mean and standard deviation of the origin's
    tensor; where its values are all the same, and for variances, they scatter by 2 %. Tables and constants
    stay as they are. A tensor's values depend on its name and the seed alone, so tied ones stay tied.
    """
    drawn = []
    for name, redrawn, tensor in zip(segment.parameter_names, drawn_anew(segment), origin, strict=True):
        if not (redrawn and tensor.is_floating_point() and tensor.numel()):
            drawn.append(tensor)
            continue
        generator = torch.Generator().manual_seed(int(digest_json([*seed, name])[:15], 16))
        mean, deviation = _scale(name, tensor)
        values = torch.empty(tensor.shape, dtype=torch.float32).normal_(generator=generator)
        drawn.append(values.mul_(deviation).add_(mean).to(tensor.dtype))
    return drawn


def drawn_anew(segment: Segment) -> list[bool]:
    """Which of a segment's tensors :func:`redraw` replaces: parameters and batch-norm statistics."""
    named = zip(segment.parameter_names, segment.trainable, strict=True)
    return [trainable or name.endswith(_STATISTICS) for name, trainable in named]


def _scale(name: str, tensor: torch.Tensor) -> tuple[float, float]:
    """Mean and standard deviation to draw with."""
    spread = torch.std_mean(tensor.to(torch.float64), correction=0)
    # The last digits of a sum depend on the number of threads; the values drawn must not.
    deviation, mean = (float(f"{float(value):.6g}") for value in spread)
    if name.endswith("running_var") or deviation <= 1e-6 * abs(mean):
        deviation = _JITTER * (abs(mean) or 1.0)
    return mean, deviation


def letter_tokenizer() -> tuple[bytes, int]:
    """A ``tokenizer.json`` of single characters that needs no data, and its number of tokens."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1) if not chr(code).isupper()]
    tokens = [*special, *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordPiece(vocab=vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return tokenizer.to_str().encode(), len(tokens)
