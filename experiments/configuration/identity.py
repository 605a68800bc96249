"""What makes a run the run it is: two runs with one identity would measure the same."""

from collections.abc import Mapping
from typing import Any

from alsatian.data.dataset import Dataset
from alsatian.fingerprint import digest_json
from alsatian.models.model_set import CandidateSet

# Settings, by dotted key, that say where a run happens, who watches and when to give up. All others change
# what is measured or what its record holds: also fresh_process (allocators and caches start cold), the
# meter's settings (measuring costs time), verify and checkpoint (work of their own) and repeats.
NOT_IDENTITY = (
    "results_dir", "store_dir", "cache.ssd_dir", "force", "fail_fast", "timeout_s", "tracker", "title", "sweep",
    "targets", "figure", "scaled", "dataset.images.root", "model_set.pool.root",
)  # fmt: skip


def measured(config: Mapping[str, Any], without: tuple[str, ...] = NOT_IDENTITY) -> dict[str, Any]:
    """``config`` without the settings, given by dotted key, that do not change what is measured."""
    kept = {}
    for key, value in config.items():
        if key in without:
            continue
        inner = tuple(name.removeprefix(f"{key}.") for name in without if name.startswith(f"{key}."))
        kept[key] = measured(value, inner) if inner and isinstance(value, Mapping) else value
    return kept


def run_id(config: Mapping[str, Any], model_set: CandidateSet, dataset: Dataset) -> str:
    """Identity of a run: digest over its configuration, its model set and its data."""
    return digest_json([measured(config), model_set.digest, dataset.digest])[:16]
