"""Python processes of our own: they find this code wherever it lies, plugins, and nothing else from the current
folder."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from experiments.configuration import plugins


def start(module: str, *words: str, **settings: Any) -> "subprocess.Popen[Any]":
    """Start ``module`` with the arguments ``words``; ``settings`` are those of :class:`subprocess.Popen`."""
    here = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, *words],
        env={**os.environ, **plugins.environment(), "PYTHONPATH": path},
        **settings,
    )
