"""What decides about the bits of features, besides a model's blocks and the items of a batch."""

import os
from functools import cache
from pathlib import Path
from typing import Any

import torch
from blake3 import blake3

import alsatian
from alsatian.costs.profiling.machine import cores, cpu, version

# Variables that choose kernels or their number of threads, and so may decide about bits.
VARIABLES = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_CBWR", "ONEDNN_MAX_CPU_ISA",
    "CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE",
)  # fmt: skip
# Libraries that compute, decode or tokenize.
_LIBRARIES = ("torch", "torchvision", "transformers", "tokenizers", "pillow", "numpy")


def determinism() -> dict[str, str | bool | int | float | None]:
    """Settings that decide whether the same work gives the same bits. Variables that are not set are None."""
    return {
        "interop_threads": torch.get_num_interop_threads(),
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "cudnn": torch.backends.cudnn.version() if torch.cuda.is_available() else None,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "cudnn_allow_tf32": torch.backends.cudnn.allow_tf32,
        "mkldnn": torch.backends.mkldnn.is_available(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        **{name: os.environ.get(name) for name in VARIABLES},
    }


def surroundings(device: torch.device) -> dict[str, Any]:
    """Everything here that may decide about bits on ``device``, as plain data. The processor prepares data even
    where a GPU computes."""
    gpu = device.type == "cuda"
    return {
        "code": code_digest(),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "device": torch.cuda.get_device_name(device) if gpu else device.type,
        "cuda": torch.version.cuda if gpu else None,
        "cpu": cpu(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "mkldnn_enabled": torch.backends.mkldnn.enabled,
        **determinism(),
    }


@cache
def code_digest() -> str:
    """Digest of this package's own source: its version says nothing of changes between releases."""
    folder = Path(str(alsatian.__file__)).parent
    hasher = blake3()
    for path in sorted(folder.rglob("*.py")):
        hasher.update(f"{path.relative_to(folder)}:{path.stat().st_size};".encode())
        hasher.update(path.read_bytes())
    return hasher.hexdigest()
