"""What the orders' benchmark knows of the paper's architectures: the bytes of the state behind every block.

``python -m experiments.benchmarks.chains`` splits each of them once (minutes, up to 6 GB) and writes
``chains.json``, which is part of the repository, so that trees of the paper's sets take no time to make.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from alsatian.blocks.candidate import Block, Candidate
from alsatian.data.preprocessing import ImagePreprocessing, Preprocessing
from alsatian.data.text import TextPreprocessing
from alsatian.files import write_bytes
from alsatian.models.architectures import architecture, code_version
from alsatian.models.distributions import lineage
from alsatian.models.synthetic import SyntheticSet, drawn_anew

FILE = Path(__file__).with_name("chains.json")
BERT = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
}
SETS = {
    "ResNet-18": SyntheticSet(architecture="resnet18"),
    "ResNet-152": SyntheticSet(architecture="resnet152"),
    "EfficientNetV2-L": SyntheticSet(architecture="efficientnet_v2_l", size=480),
    "ViT-L-32": SyntheticSet(architecture="vit_l_32"),
    "BERT": SyntheticSet(source="transformers", architecture="BertModel", options=BERT, size=None, length=128),
}
"""The paper's architectures, with the inputs of the model sets in ``conf/model_set/synthetic_*``."""


@dataclass(frozen=True)
class Chain:
    """An architecture reduced to what decides its task trees.

    Attributes:
        preprocessing: of its input.
        output_bytes: of the state behind every block, per item.
        open_blocks: positions of the blocks with something to draw anew; the others are the same in all models.
    """

    preprocessing: Preprocessing
    output_bytes: tuple[int, ...]
    open_blocks: tuple[int, ...]

    def models(self, count: int, distribution: str, seed: int) -> list[Candidate]:
        """The synthetic set with these settings, as chains without parameters."""
        chains = [[Block(f"{i} of 0", 0, size) for i, size in enumerate(self.output_bytes)]]
        for parent, changed in lineage(count, len(self.open_blocks), distribution, seed):
            chain = list(chains[parent])
            for i in self.open_blocks[len(self.open_blocks) - changed :]:
                chain[i] = Block(f"{i} of {len(chains)}", 0, self.output_bytes[i])
            chains.append(chain)
        return [Candidate(f"{i:02d}", tuple(chain), None, self.preprocessing) for i, chain in enumerate(chains)]


def read_chains(file: Path = FILE) -> dict[str, Chain]:
    """The chains of the paper's architectures, by name."""
    chains: dict[str, dict[str, list[int]]] = json.loads(file.read_text())["chains"]
    return {
        name: Chain(preprocessing(SETS[name]), tuple(chain["output_bytes"]), tuple(chain["open_blocks"]))
        for name, chain in chains.items()
    }


def preprocessing(model_set: SyntheticSet) -> Preprocessing:
    """Of the inputs of ``model_set``; for text without a tokenizer, which no size depends on."""
    if model_set.size is not None:
        return ImagePreprocessing(model_set.size)
    assert model_set.length is not None
    return TextPreprocessing("", model_set.length)


def split_all(console: Console) -> dict[str, Any]:
    """Split every architecture; the content of the file."""
    chains = {}
    for name, model_set in SETS.items():
        segments = architecture(model_set.spec, preprocessing(model_set)).segments
        chains[name] = {
            "output_bytes": [segment.output_bytes for segment in segments],
            "open_blocks": [i for i, segment in enumerate(segments) if any(drawn_anew(segment))],
        }
        console.print(f"{name}: {len(segments)} blocks")
    return {"code": code_version(), "chains": chains}


def main() -> int:
    """Split and write."""
    content = split_all(Console(soft_wrap=True, highlight=False, markup=False))
    write_bytes(FILE, (json.dumps(content) + "\n").encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
