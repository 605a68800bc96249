"""The architectures whose coverage is measured."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from alsatian.blocks.candidate import ArchitectureSpec
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.data.text import TextPreprocessing
from alsatian.errors import ConfigError, nearest
from experiments.studies.coverage.measurement import Case

TOKENS, VOCABULARY = 16, 96
IMAGE_SIZE = 64
"""Pixels where a model takes any size; small, since exactness does not need more."""
_MODELS = yaml.safe_load(Path(__file__).with_name("models.yaml").read_text("utf-8"))
VISION, TEXT = _MODELS["vision"], _MODELS["text"]
"""Small configurations of model classes of transformers, by name."""
TORCHVISION_SIZES = {"inception_v3": 96, "maxvit_t": 224, "vit_h_14": 56}
"""Sizes that a builder asks for. Swin keeps its usual one, since smaller maps have no shifted windows."""
SAMPLE = tuple(_MODELS["sample"])
"""Small and different ones, for a quick answer."""


def torchvision_cases() -> list[Case]:
    """Every classification model that torchvision lists."""
    from torchvision import models  # takes seconds to import

    found = []
    for name in models.list_models(module=models):
        size = TORCHVISION_SIZES.get(name, 224 if name.startswith("swin") else IMAGE_SIZE)
        options = {"image_size": size} if name.startswith("vit") else {}
        # Weights are drawn here anyway; the builders' own drawing takes minutes and would warn.
        if name in ("googlenet", "inception_v3"):
            options = {"init_weights": False}
        found.append(Case(ArchitectureSpec("torchvision", name, options), ImagePreprocessing(size)))
    return found


def transformers_cases() -> list[Case]:
    """Model classes of transformers, small ones, in the order of the tables."""
    image = ImagePreprocessing(IMAGE_SIZE)
    text = TextPreprocessing("", TOKENS)
    return [Case(ArchitectureSpec("transformers", name, options), image) for name, options in VISION.items()] + [
        Case(ArchitectureSpec("transformers", name, options), text, VOCABULARY) for name, options in TEXT.items()
    ]


def select(names: Sequence[str] = (), sample: int | None = None) -> list[Case]:
    """All cases, those called ``names`` (with or without the library), or a fixed mix of ``sample`` cases.

    Raises:
        ConfigError: there is no case of that name.
    """
    cases = {case.name: case for case in (*torchvision_cases(), *transformers_cases())}
    if names:
        short = {name.split("/")[1]: name for name in cases}
        for name in names:
            if name not in cases and name not in short:
                raise ConfigError(f"no architecture '{name}' is covered; {nearest(name, short)}")
        return [cases[short.get(name, name)] for name in names]
    if sample is None:
        return list(cases.values())
    rest = [name for name in cases if name not in SAMPLE]
    # Beyond the fixed sample, evenly spaced ones.
    more = max(0, sample - len(SAMPLE))
    spaced = [rest[i * len(rest) // more] for i in range(min(more, len(rest)))] if more < len(rest) else rest
    return [cases[name] for name in (*SAMPLE[:sample], *spaced)]
