"""The paper's architectures without code: bytes of the parameters of every block and of the state behind it, and
how much work it does.

``python -m experiments.predictions.chains`` splits each of them once (minutes, up to 6 GB) and writes
``chains.json``, which is part of the repository, so that trees of the paper's sets take no time to make.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alsatian.blocks.candidate import Block, Candidate
from alsatian.blocks.split import split
from alsatian.data.preprocessing import ImagePreprocessing, Preprocessing
from alsatian.data.text import TextPreprocessing
from alsatian.files import write_bytes
from alsatian.models.reading.architectures import build, code_version
from alsatian.models.sets.distributions import lineage
from alsatian.models.sets.synthetic import SyntheticSet, drawn_anew
from experiments.configuration import menu
from experiments.configuration.console import plain
from experiments.predictions.work import work_of

FILE = Path(__file__).with_name("chains.json")
NETWORKS = {
    "ResNet-18": "resnet18",
    "ResNet-152": "resnet152",
    "EfficientNetV2-L": "efficientnet_v2_l",
    "ViT-L-32": "vit_l_32",
    "BERT": "bert",
}
"""The paper's architectures, with the choices ``network=…``, which alone say what they are and what input they
have."""


def published_sets() -> dict[str, SyntheticSet]:
    """The model sets of the paper's figures, by architecture."""
    found = {}
    for name, network in NETWORKS.items():
        paper = menu.read(menu.CONF / "network" / f"{network}.yaml")["paper"]
        said = ("source", "architecture", "options", "size", "length")
        found[name] = SyntheticSet(**{key: paper[key] for key in said})
    return found


SETS = published_sets()
PUBLISHED = {name.replace("EfficientNet", "EffNet"): name for name in NETWORKS}
"""The architectures of the workloads in the paper's figures."""


@dataclass(frozen=True)
class Chain:
    """An architecture reduced to what decides its task trees and what they cost.

    Attributes:
        name: of the architecture.
        preprocessing: of its input.
        parameter_bytes: of the parameters of every block.
        output_bytes: of the state behind every block, per item.
        flops: floating-point operations of every block, per item.
        moved_bytes: bytes of activations that every block reads and writes, per item.
        open_blocks: positions of the blocks with something to draw anew; the others are the same in all models.
    """

    name: str
    preprocessing: Preprocessing
    parameter_bytes: tuple[int, ...]
    output_bytes: tuple[int, ...]
    flops: tuple[int, ...]
    moved_bytes: tuple[int, ...]
    open_blocks: tuple[int, ...]

    def models(self, count: int, distribution: str, seed: int) -> list[Candidate]:
        """The synthetic set with these settings, as chains without parameters."""
        sizes = list(zip(self.parameter_bytes, self.output_bytes, strict=True))
        chains = [[Block(f"{i} of 0", *pair) for i, pair in enumerate(sizes)]]
        for parent, changed in lineage(count, len(self.open_blocks), distribution, seed):
            chain = list(chains[parent])
            for i in self.open_blocks[len(self.open_blocks) - changed :]:
                chain[i] = Block(f"{i} of {len(chains)}", *sizes[i])
            chains.append(chain)
        spec = SETS[self.name].spec
        return [Candidate(f"{i:02d}", tuple(chain), spec, self.preprocessing) for i, chain in enumerate(chains)]


def read_chains(file: Path = FILE) -> dict[str, Chain]:
    """The chains of the paper's architectures, by name."""
    chains: dict[str, dict[str, list[int]]] = json.loads(file.read_text())["chains"]
    return {
        name: Chain(name, preprocessing(SETS[name]), **{key: tuple(values) for key, values in chain.items()})
        for name, chain in chains.items()
    }


def preprocessing(model_set: SyntheticSet) -> Preprocessing:
    """Of the inputs of ``model_set``; for text without a tokenizer, which no size depends on."""
    if model_set.size is not None:
        return ImagePreprocessing(model_set.size)
    assert model_set.length is not None
    return TextPreprocessing("", model_set.length)


def split_all() -> dict[str, Any]:
    """Split every architecture; the content of the file."""
    chains, say = {}, plain().print
    for name, model_set in SETS.items():
        prepared = preprocessing(model_set)
        module = build(model_set.spec, prepared)
        built = split(module, prepared.example(), "meta")
        parameters = [[t.to("meta") for t in tensors] for tensors in built.parameters_of(module)]
        one = tuple(tensor[:1].to("meta") for tensor in prepared.example())
        work = work_of(built, parameters, one)
        chains[name] = {
            "parameter_bytes": [sum(t.nbytes for t in tensors) for tensors in parameters],
            "output_bytes": [segment.output_bytes for segment in built.segments],
            **{key: [block[key] for block in work] for key in ("flops", "moved_bytes")},
            "open_blocks": [i for i, segment in enumerate(built.segments) if any(drawn_anew(segment))],
        }
        say(f"{name}: {len(built.segments)} blocks")
    return {"code": code_version(), "chains": chains}


def main() -> int:
    """Split and write."""
    content = split_all()
    write_bytes(FILE, (json.dumps(content) + "\n").encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
