"""The environment behind a number: code, versions, hardware."""

import os
import platform
import subprocess
from pathlib import Path

import torch

import alsatian
from alsatian.costs.profiling.machine import cores, cpu, version
from alsatian.records import Code, Environment
from alsatian.runtime.reuse.bits import determinism
from experiments.configuration import menu

LIBRARIES = (
    "torch", "torchvision", "transformers", "numpy", "safetensors", "blake3", "scikit-learn", "hydra-core", "wandb"
)  # fmt: skip


def environment() -> Environment:
    """What a reader needs to judge and repeat a measurement."""
    gpu = torch.cuda.is_available()
    return Environment(
        code=code(),
        python=platform.python_version(),
        platform=platform.platform(),
        libraries={name: version(name) for name in LIBRARIES},
        cpu=cpu(),
        cores=cores(),
        threads=torch.get_num_threads(),
        memory_bytes=_memory(),
        gpu=torch.cuda.get_device_name() if gpu else None,
        cuda=torch.version.cuda if gpu else None,
        driver=_driver() if gpu else None,
        determinism=determinism(),
        plugins=tuple(plugin.word for plugin in menu.plugins()),
    )


def code() -> Code:
    """Version of the installed package; commit and dirty flag if it is installed from a git checkout."""
    folder = Path(str(alsatian.__file__)).parent
    inside = _run("git", "-C", str(folder), "ls-files", "--error-unmatch", "__init__.py") is not None
    status = _run("git", "-C", str(folder.parent), "status", "--porcelain", "--untracked-files=no")
    return Code(
        version=version("alsatian"),
        commit=_run("git", "-C", str(folder), "rev-parse", "HEAD") if inside else None,
        dirty=bool(status) if inside else None,
    )


def _run(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _driver() -> str | None:
    found = _run("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    return found.splitlines()[0] if found else None
