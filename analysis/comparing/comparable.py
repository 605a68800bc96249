"""Which runs may be compared with which: a factor between two set-ups says nothing about a strategy."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from alsatian.records import Run
from alsatian.records.settings import DELTAS, NOT_IDENTITY, compact, decisive, flat, named

# Two cells of a figure may be one measurement; each has a record.
NOT_MEASURED = (*NOT_IDENTITY, "name", "paper")
USUAL = ("fp32", "eager")
"""Numbers and kernels, where a record says nothing of them."""


def workload(run: Run) -> str:
    """Digest of the model set and the data. Runs of different workloads are never drawn together."""
    return _digest(run.model_set.digest, run.dataset.digest)


def computed(run: Run) -> bool:
    """Whether any score of ``run`` rests on data; where none does, its wall time is that of nothing."""
    return any(round_.train_items for round_ in run.rounds)


def machine(run: Run) -> list[object]:
    """The hardware that a run's wall time depends on."""
    where = run.environment
    return [where.cpu, where.cores, where.threads, where.gpu]


def conditions(run: Run) -> str:
    """Digest of all that must be equal before two wall times are compared.

    That is the workload, the storage regime, batch size, proxy, device, kernels, numbers and hardware, how it was
    measured, and whether anything was computed.
    """
    config = named(run.config)
    return _digest(
        workload(run),
        [run.storage.bandwidth, run.storage.cold, _regime(config)],
        *([run.sources[DELTAS]] if DELTAS in run.sources else []),
        [config.get("batch_size"), config.get("proxy"), run.sources.get("proxy"), config.get("device")],
        machine(run),
        [config.get(key, False) for key in ("fresh_process", "warm_up", "checkpoint")] + [config.get("meter")],
        *([] if computed(run) else ["nothing computed"]),
        *([] if computing(run) == USUAL else computing(run)),
    )


def _regime(config: Mapping[str, Any]) -> Any:
    """The storage regime, wherever mirrors lie; earlier records say nothing of verifying, which was done with every
    read."""
    regime = decisive({"storage": config.get("storage")}, ("storage.mirrors",))["storage"]
    return {"verify_blocks": "always", **regime} if isinstance(regime, Mapping) else regime


def arithmetic(run: Run) -> str:
    """Digest of all that must be equal before scores are expected to agree bit for bit.

    That is the workload, the data's configuration, seed, batch size, proxy, and what does the arithmetic:
    device, hardware, threads, the version of PyTorch and its settings, kernels and numbers.
    """
    return _digest(scored(run), computing(run))


def scored(run: Run) -> str:
    """Digest of what decides about scores but for kernels and numbers, which move only their last digits."""
    config, where = named(run.config), run.environment
    return _digest(
        workload(run),
        [config.get("dataset"), config.get("seed"), config.get("batch_size")],
        [config.get("proxy"), run.sources.get("proxy")],
        [config.get("device"), where.cpu, where.threads, where.gpu, where.libraries.get("torch")],
        where.determinism,
    )


def computing(run: Run) -> tuple[str, str]:
    """Numbers and kernels of ``run``."""
    return run.config.get("numerics", USUAL[0]), run.config.get("kernels", USUAL[1])


def reference(run: Run, runs: Sequence[Run], strategy: str) -> Run | None:
    """The run of ``strategy`` that ``run``'s wall time is compared with; None if there is none.

    It has the same conditions; of several, it is the one with the most settings in common.
    """
    own = conditions(run)
    candidates = [r for r in runs if r.ok and r.strategy == strategy and conditions(r) == own]

    def closeness(candidate: Run) -> tuple[int, bool, str]:
        return in_common(run, candidate), candidate.run_id == run.run_id, candidate.run_id

    return max(candidates, key=closeness, default=None)


def in_common(run: Run, other: Run) -> int:
    """How many settings the two have in common."""
    return len(settings(run.config).items() & settings(other.config).items())


def settings(config: Mapping[str, Any]) -> dict[str, str]:
    """Dotted keys of a run's configuration and their values as a command line would say them.

    What has a name is known by it (``model_set=digits``), another component by its class (``order=dfs``); a cache
    policy stands under ``cache``.
    """
    found = flat(decisive(config, NOT_MEASURED))
    if "cache.policy" in found:
        found["cache"] = found.pop("cache.policy")
    for key in [key for key in found if key.count(".") == 1 and key.endswith(".name")]:
        group = key.removesuffix(".name")
        found |= {f"{group}._target_": found[group]} if group in found else {}
        found[group] = found.pop(key)
    return found


def _digest(*values: Any) -> str:
    return hashlib.sha256(compact(values).encode()).hexdigest()[:12]
