"""Python processes of our own: they find this code wherever it lies, plugins, and nothing else from the current
folder."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from experiments.configuration import plugins

_TAIL = 2000  # characters of a dead process's last words


def environment() -> dict[str, str]:
    """Variables with which a Python process finds this code and has the same menu as this one."""
    here = str(Path(__file__).parents[3])
    path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    return {**plugins.environment(), "PYTHONPATH": path}


def start(module: str, *words: str, **settings: Any) -> "subprocess.Popen[Any]":
    """Start ``module`` with the arguments ``words``; ``settings`` are those of :class:`subprocess.Popen`."""
    settings.setdefault("env", {**os.environ, **environment()})
    return subprocess.Popen([sys.executable, "-P", "-m", module, *words], **settings)


def ask(process: "subprocess.Popen[bytes]", question: Mapping[str, Any]) -> bytes:
    """Write ``question`` as a line of JSON and read all that is said until the process ends, or closes its output.

    Its stdin stays open, so that it can tell that whoever asked is gone. Waiting costs nothing meanwhile. What
    interrupts it kills the process.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(question).encode() + b"\n")
        process.stdin.flush()
        answer: bytes = process.stdout.read()
    except BrokenPipeError:  # it died at once; the exit status says how
        answer = b""
    except BaseException:
        process.kill()
        raise
    return answer


def taken_output() -> Any:
    """This process's own output, for an answer alone: what libraries print goes to the error output from now on."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return out


def end(status: int, words: IO[bytes], whose: str) -> tuple[str, str]:
    """Why a process of ``whose`` that ended with ``status`` gave no answer: a record's status, and a text.

    ``words`` is what it said on its error output.
    """
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        if -status == signal.SIGKILL:
            return "oom", f"the process of {whose} was ended by {name}, most likely for lack of memory"
        return "failed", f"the process of {whose} was ended by {name}"
    words.seek(0)
    last = words.read().decode(errors="replace").strip()[-_TAIL:]
    return "failed", f"the process of {whose} ended with status {status}\n{last}".strip()
