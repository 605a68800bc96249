"""What makes a run the run it is: two runs with one identity would measure the same."""

import inspect
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from hydra.utils import get_object

from alsatian.contents import digests
from alsatian.data.dataset import Dataset
from alsatian.fingerprint import digest_json
from alsatian.models.model_set import CandidateSet
from alsatian.records.settings import PROFILE, decisive, measured

PACKAGE = "alsatian"


def run_id(config: Mapping[str, Any], model_set: CandidateSet, dataset: Dataset, needs_head: bool = False) -> str:
    """Identity of a run: digest over settings, what they take from outside the package, model set and data.

    ``needs_head`` says that the proxy looks at the models' own classifiers, which belong to it then.
    """
    heads = [[candidate.head for candidate in model_set.candidates]] if needs_head else []
    return digest_json([measured(config), sources(config), model_set.digest, dataset.digest, *heads])[:16]


def sources(config: Mapping[str, Any]) -> dict[str, str]:
    """Digests of what ``config`` chooses outside the installed package, by the setting that chooses it.

    The code of a component is the file that holds it, and those of its base classes outside the package. A profile
    of a machine (``hardware.file``) decides how a search goes, as code does.

    Raises:
        ConfigError: the profile cannot be read.
    """
    found = {key: digest for key, target in _targets(decisive(config)) if (digest := _digest(target))}
    if (profile := (config.get("hardware") or {}).get("file")) is not None:
        found[PROFILE] = digests([Path(profile)])[0][:16]
    return found


def _targets(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """The components in ``value`` by dotted key."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == "_target_":
                yield prefix.rstrip("."), str(item)
            else:
                yield from _targets(item, f"{prefix}{key}.")
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _targets(item, f"{prefix}{number}.")


def _digest(target: str) -> str | None:
    if target.partition(".")[0] == PACKAGE:
        return None
    chosen = get_object(target)
    parts = inspect.getmro(chosen) if inspect.isclass(chosen) else (chosen,)
    files = [inspect.getsourcefile(part) for part in parts if _is_foreign(part)]
    found = [Path(file).read_bytes() for file in dict.fromkeys(files) if file]
    return sha256(b"\0".join(found)).hexdigest()[:16] if found else None


def _is_foreign(part: Any) -> bool:
    """Whether ``part`` is code with a file that does not belong to the package."""
    return str(part.__module__).partition(".")[0] not in (PACKAGE, "builtins", "abc", "typing")
