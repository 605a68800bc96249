"""What makes a run the run it is: two runs with one identity would measure the same."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alsatian.contents import digests
from alsatian.fingerprint import digest_json
from alsatian.records.settings import DELTAS, PROFILE, decisive, measured
from experiments.configuration.components import is_own, located, source_files, targets

if TYPE_CHECKING:
    from alsatian.data.dataset import Dataset
    from alsatian.models.model_set import CandidateSet


def run_id(
    config: Mapping[str, Any], model_set: "CandidateSet", dataset: "Dataset", needs_head: bool = False
) -> str:
    """Identity of a run: digest over settings, what they take from outside the package, model set and data.

    ``needs_head`` says that the proxy looks at the models' own classifiers, which belong to it then.
    """
    heads = [[candidate.head for candidate in model_set.candidates]] if needs_head else []
    taken = sources(config, model_set)
    return digest_json([measured(config), taken, model_set.digest, dataset.digest, *heads])[:16]


def sources(config: Mapping[str, Any], model_set: "CandidateSet | None" = None) -> dict[str, str]:
    """Digests of what ``config`` chooses outside the installed package, by the setting that chooses it.

    The code of a component is the file that holds it, and those of its base classes outside the package; in a
    plugin also what these import from there. A profile of a machine (``hardware.file``) decides how a search goes,
    as code does. So do deltas, where they are asked for: those of ``model_set`` that the store holds, since a model
    that was there before has none.

    Raises:
        ConfigError: the profile cannot be read.
    """
    found = {key: digest for key, target in targets(decisive(config)) if (digest := _digest(target))}
    if (profile := (config.get("hardware") or {}).get("file")) is not None:
        found[PROFILE] = digests([Path(profile)])[0][:16]
    if (config.get("storage") or {}).get("deltas") is not None:
        found[DELTAS] = digest_json(getattr(model_set, "deltas", []))[:16]  # none of a set without a store
    return found


def _digest(target: str) -> str | None:
    if is_own(target):
        return None
    found = [file.read_bytes() for file in source_files(located(target))]
    return sha256(b"\0".join(found)).hexdigest()[:16] if found else None
