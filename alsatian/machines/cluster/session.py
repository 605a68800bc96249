"""Ray for the length of one search: a cluster that is there, or one of this machine's own that ends with it."""

import contextlib
import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import alsatian
from alsatian.errors import AlsatianError, ConfigError, first_line
from alsatian.machines.cluster import guard
from alsatian.machines.settings import MachineSettings
from alsatian.runtime.storage.private_folder import private_folder

# Read by Ray when it is imported or started: nothing leaves this machine, and nothing is said on the terminal.
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0", "RAY_DISABLE_IMPORT_WARNING": "1"}
# Ray's name for it: without, the address of a local cluster is the loopback's.
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
# Of a local cluster: what features take that lie in the object store; more goes to the disk.
_OBJECT_STORE = 512 * 1024**2
# Unix sockets have names of at most 107 characters, of which those of Ray and of the folder take 87.
_MOST_PARENT = 20
# How long the head of a cluster may be silent; Ray itself ends the process after 60 s.
_SILENT_S = 10.0
_CONNECT_S = 2.0


class ClusterError(AlsatianError):
    """A Ray cluster cannot be had, or is gone."""


def ray_module(starts: bool) -> Any:
    """Ray, quiet; if a cluster ``starts`` here, so that only this machine can reach it.

    Raises:
        ConfigError: it is not installed; names the extra.
    """
    for name, value in (_QUIET | (_LOOPBACK if starts else {})).items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray._private.worker as worker
    except ImportError:
        raise ConfigError("machine=ray needs Ray; pip install 'alsatian[ray]'") from None
    # It prints what happens to workers on standard output, whatever it is told; a search says it itself.
    if hasattr(worker, "listen_error_messages"):
        worker.listen_error_messages = lambda *_: None
    return ray


@contextlib.contextmanager
def ray_session(settings: MachineSettings) -> Iterator[Any]:
    """Ray, connected to the cluster at the address of ``settings``, or to one started here, whose processes and
    files are gone at the end, also if this process is killed. Code and plugins travel to other machines by Ray's
    runtime environment.

    Raises:
        ConfigError: Ray is not installed.
        ClusterError: there is no such cluster, or none can be started.
    """
    with contextlib.ExitStack() as stack:
        usual: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL, "namespace": "alsatian"}
        folder = ""
        ray = ray_module(settings.address is None)
        if ray.is_initialized():  # by whoever calls this
            yield ray
            return
        if settings.address is None:
            parent = tempfile.gettempdir() if len(tempfile.gettempdir()) <= _MOST_PARENT else "/tmp"
            folder = str(stack.enter_context(private_folder(parent, "alsatian-ray-", "TMPDIR")))
            usual |= _own_cluster(settings, folder)
        else:
            usual |= {"address": settings.address, "runtime_env": {"py_modules": _code()}}
        try:
            if ":" in (settings.address or ""):
                dial(as_dialled(settings.address or ""))  # which Ray itself would try for minutes
            with _own_words():
                ray.init(**usual)
        except Exception as error:  # of many kinds
            what = "cannot be started" if settings.address is None else f"at machine.address={settings.address}"
            raise ClusterError(f"machine=ray: no cluster {what} ({first_line(error)})") from None
        stack.enter_context(_guarded(ray, folder))
        stack.callback(_shut_down, ray)
        yield ray


def _own_cluster(settings: MachineSettings, folder: str) -> dict[str, Any]:
    """Arguments that start a cluster of just what the workers claim, with its files in ``folder``."""
    each = settings.each
    return {
        **alone(each.cpu * settings.workers, _OBJECT_STORE),
        "num_gpus": _whole(each.gpu * settings.workers) or None,
        "resources": {name: amount * settings.workers for name, amount in each.labels.items()} or None,
        "_temp_dir": folder,
    }


def alone(processors: float, object_store: int) -> dict[str, Any]:
    """Arguments that start a cluster of this machine which only it can reach, with so many bytes for objects."""
    return {
        "num_cpus": _whole(processors),
        "include_dashboard": False,
        "object_store_memory": object_store,
        "_node_ip_address": "127.0.0.1",
    }


@contextlib.contextmanager
def _guarded(ray: Any, folder: str) -> Iterator[None]:
    """Beside a process that ends what Ray has left, once this is left or this process is gone."""
    node = getattr(ray._private.worker, "_global_node", None)
    facts = [folder, ray.get_runtime_context().gcs_address, getattr(node, "raylet_socket_name", "")]
    command = [sys.executable, "-S", str(guard.__file__), *facts]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as process:
        try:
            yield
        except Exception:  # which the command tells; nobody tells that Ray ended it
            process.communicate(guard.BYE)
            raise
        process.communicate(guard.BYE)


class Pulse:
    """Whether the head of the cluster still answers.

    Raises:
        ClusterError: it has not for a while, when :meth:`check` is called.
    """

    def __init__(self, ray: Any) -> None:
        self._address = str(ray.get_runtime_context().gcs_address)
        self._heard = time.monotonic()

    def check(self) -> None:
        """Ask it."""
        try:
            dial(self._address)
            self._heard = time.monotonic()
        except OSError:
            if time.monotonic() - self._heard > _SILENT_S:
                raise ClusterError(
                    "the head of the Ray cluster is gone; the same command goes on behind the last finished round "
                    "if a checkpoint is kept"
                ) from None


def as_dialled(address: str) -> str:
    """``address`` of a cluster to join as Ray dials it: the own machine by the address that others have for it, at
    which a head that listens on loopback only does not answer."""
    host, _, port = address.rpartition(":")
    if host.strip("[]") not in ("localhost", "127.0.0.1", "::1"):
        return address
    from ray.util import get_node_ip_address

    return f"{get_node_ip_address()}:{port}"


def dial(address: str) -> None:
    """Reach ``address``.

    Raises:
        OSError: nobody answers.
        ValueError: it has no port.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()


def _code() -> list[str]:
    """What workers on other machines need of this one: the package, baselines beside it, and plugins."""
    here = Path(str(alsatian.__file__)).parent
    beside = [here.parent / name for name in ("alsatian", "baselines")]
    plugins = [Path(folder) for folder in os.environ.get("ALSATIAN_PLUGINS", "").split(os.pathsep) if folder]
    loose = [entry for folder in plugins for entry in sorted(folder.iterdir()) if _is_code(entry)]
    return [str(path) for path in (*beside, *loose) if path.exists()]


def _is_code(entry: Path) -> bool:
    return entry.suffix == ".py" or (entry.is_dir() and any(entry.glob("*.py")))


def _whole(amount: float) -> int:
    return int(-(-amount // 1))


def _shut_down(ray: Any) -> None:
    with contextlib.suppress(Exception):
        ray.shutdown()


@contextlib.contextmanager
def _own_words() -> Iterator[None]:
    """Ray's own loggers are silent."""
    logger = logging.getLogger("ray")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
