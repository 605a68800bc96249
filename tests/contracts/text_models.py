"""Small models of texts with tokenizers in the layouts that libraries save, for the tests of contracts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoTokenizer

from alsatian.data.text import text_items
from alsatian.models.reading.inputs.settings import Reading
from alsatian.models.reading.parameters.loading import Loaded
from alsatian.models.reading.saved_models import open_folder

TEXTS = ["a film", "The film was neither good nor bad, it was long!", "b", "good good film of a long long war"]
WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "a",
    "film",
    "the",
    "was",
    "good",
    "bad",
    "long",
    "it",
    "##s",
    "!",
]
# What the configurations of all kinds call their sizes.
SMALL = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
    "vocab_size": 300, "max_position_embeddings": 40, "dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64,
    "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 40, "word_embed_proj_dim": 32, "ffn_dim": 64,
    "num_key_value_heads": 2, "d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2,
    "embedding_size": 32,
}  # fmt: skip

# Half the time to export, where how many layers there are is not what is tested.
ONE_LAYER = {"num_hidden_layers": 1, "n_layers": 1, "n_layer": 1, "num_layers": 1}

VISION = {**SMALL, "image_size": 32, "patch_size": 8}
PROCESSOR = {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}}


def vocab_txt(folder: Path, kind: str = "BertTokenizer", **settings: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": kind, **settings}))
    return folder


def byte_pairs(folder: Path, **settings: Any) -> Path:
    from tokenizers import ByteLevelBPETokenizer

    folder.mkdir(parents=True, exist_ok=True)
    made = ByteLevelBPETokenizer()
    made.train_from_iterator(
        TEXTS * 5, vocab_size=290, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<|endoftext|>"]
    )
    made.save_model(str(folder))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def sentence_pieces(folder: Path, name: str, kind: str) -> Path:
    import sentencepiece

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "texts").write_text("\n".join(TEXTS * 20))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "texts"), model_prefix=str(folder / "made"), vocab_size=60, pad_id=0, unk_id=2, bos_id=3,
        eos_id=1, model_type="unigram", hard_vocab_limit=False, user_defined_symbols=["[CLS]", "[SEP]"],
        minloglevel=2,
    )  # fmt: skip
    (folder / "made.model").rename(folder / name)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": kind}))
    return folder


def saved_again(folder: Path) -> Path:
    """A tokenizer.json, as transformers writes it."""
    AutoTokenizer.from_pretrained(vocab_txt(folder / "txt")).save_pretrained(folder / "json")
    return folder / "json"


def settings_only(folder: Path, kind: str) -> Path:
    """A tokenizer of bytes or characters, which has no vocabulary."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": kind}))
    return folder


def esm(folder: Path) -> Path:
    vocab_txt(folder, "EsmTokenizer")
    (folder / "vocab.txt").write_text(
        "\n".join(["<cls>", "<pad>", "<eos>", "<unk>", "a", "film", "long", "<mask>"])
    )
    return folder


def bertweet(folder: Path) -> Path:
    vocab_txt(folder, "BertweetTokenizer")
    (folder / "vocab.txt").write_text(
        "\n".join(f"{word} {9 - i}" for i, word in enumerate(["a", "film", "l@@", "ong"]))
    )
    (folder / "bpe.codes").write_text("f i 9\nfi l 8\nfil m</w> 7\nn g</w> 6\no ng</w> 5\n")
    return folder


TOKENIZERS: dict[str, Callable[[Path], Path]] = {
    "vocab.txt": vocab_txt,
    "vocab.txt, cased": lambda folder: vocab_txt(folder, do_lower_case=False),
    "vocab.txt, cut in front": lambda folder: vocab_txt(folder, truncation_side="left"),
    "vocab.txt, padded in front": lambda folder: vocab_txt(folder, padding_side="left"),
    "vocab.txt, short": lambda folder: vocab_txt(folder, model_max_length=5),
    "vocab.txt of DistilBERT": lambda folder: vocab_txt(folder, "DistilBertTokenizer"),
    "vocab.txt of Electra": lambda folder: vocab_txt(folder, "ElectraTokenizer"),
    "vocab.txt of MPNet": lambda folder: vocab_txt(folder, "BertTokenizerFast"),
    "vocab.json and merges.txt of GPT-2": lambda folder: byte_pairs(folder, tokenizer_class="GPT2Tokenizer"),
    "vocab.json and merges.txt of RoBERTa": lambda folder: byte_pairs(folder, tokenizer_class="RobertaTokenizer"),
    "spiece.model of T5": lambda folder: sentence_pieces(folder, "spiece.model", "T5Tokenizer"),
    "spiece.model of ALBERT": lambda folder: sentence_pieces(folder, "spiece.model", "AlbertTokenizer"),
    "sentencepiece.bpe.model of XLM-R": lambda folder: sentence_pieces(
        folder, "sentencepiece.bpe.model", "XLMRobertaTokenizer"
    ),
    "tokenizer.json": saved_again,
    "none but its class, ByT5": lambda folder: settings_only(folder, "ByT5Tokenizer"),
    "none but its class, CANINE": lambda folder: settings_only(folder, "CanineTokenizer"),
    "vocab.txt of ESM": esm,
    "vocab.txt and bpe.codes of BERTweet": bertweet,
}


def language_model(folder: Path, kind: str, tokenizer: Callable[[Path], Path], **more: Any) -> Path:
    """A small model of transformers' class ``kind`` with a tokenizer."""
    tokenizer(folder)
    torch.manual_seed(3)
    model_class = getattr(transformers, kind)
    config = model_class.config_class(**{**SMALL, **more})
    model_class(config).save_pretrained(folder)
    return folder


def two_towers(folder: Path, kind: str, processor: bool = True) -> Any:
    """A small model of images and texts in ``folder``."""
    byte_pairs(folder, tokenizer_class="GPT2Tokenizer", pad_token="<pad>", bos_token="<s>", eos_token="</s>")
    model_class = getattr(transformers, kind)
    text = {
        **SMALL,
        "projection_dim": 32,
        "project_dim": 32,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
    }
    config = model_class.config_class(text_config=text, vision_config=VISION, projection_dim=32)
    torch.manual_seed(0)
    module = model_class(config).eval()
    module.save_pretrained(folder)
    if processor:
        (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    return module


def opened(folder: Path, **settings: Any) -> Loaded:
    return open_folder(folder, folder.parent / "architectures", Reading(**settings))


def features(loaded: Loaded, texts: list[str]) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = loaded.module(*loaded.preprocessing(text_items(texts)))
    return found


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
