"""Whether workers compute the same bits."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from alsatian.errors import ConfigError
from alsatian.machines.cluster.messages import Facts

# What differs between machines of one cluster whose features agree but for their last bits.
_KIND = ("cpu", "cores", "device", "cpu_capability", "cudnn", "cuda")
_log = logging.getLogger(__name__)


def check_alike(workers: Iterable[Facts]) -> None:
    """Refuse workers of other code or libraries; warn of machines of another kind, whose last bits may differ.

    Raises:
        ConfigError: names two workers and what differs.
    """
    first, *others = workers
    for other in others:
        differing = _differing(first.bits, other.bits)
        if refused := {key: pair for key, pair in differing.items() if key.partition(".")[0] not in _KIND}:
            key, (a, b) = next(iter(refused.items()))
            raise ConfigError(
                f"{other.name} on node {other.node[:8]} has {key}={b}, {first.name} on node "
                f"{first.node[:8]} has {a}; for the same scores to the last bit workers need the same code, "
                "libraries and threads"
            )
        for key, (a, b) in differing.items():
            _log.warning(f"{other.name} has {key} {b}, {first.name} {a}: scores may differ in their last bits")


def check_as_kept(workers: Iterable[Facts], bits: Mapping[str, Any]) -> None:
    """Refuse workers whose features may have other bits than those that are kept of ``bits``.

    Raises:
        ConfigError: names one and what differs.
    """
    for one in workers:
        for key, (has, kept) in _differing(one.bits, bits).items():
            raise ConfigError(
                f"{one.name} has {key}={has}, and features of earlier searches are kept for {kept}, whose last "
                "bits may differ; search without them (--no-reuse, reuse=False)"
            )


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Values that differ, by key; those of inner mappings by dotted key."""
    found: dict[str, tuple[Any, Any]] = {}
    for key in a.keys() | b.keys():
        one, two = a.get(key), b.get(key)
        if isinstance(one, Mapping) and isinstance(two, Mapping):
            found |= {f"{key}.{inner}": pair for inner, pair in _differing(one, two).items()}
        elif one != two:
            found[key] = one, two
    return dict(sorted(found.items()))
