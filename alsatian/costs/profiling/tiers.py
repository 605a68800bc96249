"""Speeds of the tiers of the cache of intermediates below the device's memory."""

import tempfile
import time
from pathlib import Path

import torch

from alsatian.runtime.cache.tiers import DiskTier, HostTier, Tier

# States that are stored and fetched one after the other, and their bytes.
_COUNT, _BYTES = 12, 8 * 1024**2


def tier_speeds(device: torch.device, folder: Path | None = None) -> dict[str, tuple[float, float]]:
    """Bytes per second that are written and read, by tier: pinned memory if ``device`` is a GPU, and files.

    Files are written below ``folder`` (the system's for temporary files) and removed.

    Raises:
        LocalDiskError: the disk is full.
    """
    speeds = {}
    if device.type == "cuda":
        speeds["host"] = _speeds(HostTier(None, device), device)
    with tempfile.TemporaryDirectory(prefix="alsatian-", dir=folder) as path:
        disk = DiskTier(None, device, Path(path))
        try:
            speeds["ssd"] = _speeds(disk, device)
        finally:
            disk.close()
    return speeds


def _speeds(tier: Tier, device: torch.device) -> tuple[float, float]:
    states = [(torch.zeros(_BYTES // 4, device=device),) for _ in range(_COUNT)]
    tier.fetch(tier.store(states[0]))()  # the first one makes streams and memory
    start = time.perf_counter()
    handles = [tier.store(state) for state in states]
    tier.fetch(handles[-1])()  # it comes after everything that is to be written
    written = time.perf_counter()
    for handle in handles:
        tier.fetch(handle)()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    read = time.perf_counter()
    return _COUNT * _BYTES / (written - start), _COUNT * _BYTES / (read - written)
