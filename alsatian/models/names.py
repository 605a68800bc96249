"""Names of models from paths: the shortest end of each path that no other model's path has."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path


def endings(path: Path, shortest: str) -> list[str]:
    """What a model at ``path`` may be called, shortest first: from ``shortest``, which is the end of the path
    without the suffix of a file, up to the whole path.
    """
    whole = Path(os.path.abspath(path))
    own = shortest.rpartition("/")[2]
    names = [shortest]
    for length in range(shortest.count("/") + 2, len(whole.parts)):
        above = "/".join(whole.parts[-length:-1])
        # Files that differ only in their suffixes need it.
        names += [f"{above}/{own}", *([f"{above}/{whole.name}"] if whole.name != own else [])]
    return [*names, str(whole)]


def distinct(choices: Sequence[Sequence[str]]) -> list[str]:
    """One of the ``choices`` of each, shortest first, such that no two are the same as long as there are enough.

    Those that cannot be told apart grow together, so that names do not depend on the order.
    """
    level = [0] * len(choices)
    while True:
        names = [options[i] for options, i in zip(choices, level, strict=True)]
        count = Counter(names)
        growing = [i for i, name in enumerate(names) if count[name] > 1 and level[i] + 1 < len(choices[i])]
        if not growing:
            return names
        for i in growing:
            level[i] += 1
