"""A real S3 server on loopback, a process of its own, which can be killed and started again with what it holds."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

BUCKET = "models"
_SERVER = """
import sys, time
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=int(sys.argv[1]), verbose=False)
server.start()
time.sleep(3600)
"""


class Server:
    """moto's server; what lies in its bucket survives :meth:`restart`."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def system(self):
        """A file system of its own, which nothing of a store is kept in."""
        return fsspec.filesystem("s3", use_listings_cache=False)

    def start(self) -> None:
        command = [sys.executable, "-c", _SERVER, str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            time.sleep(0.05)
        raise AssertionError("no S3 server")

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def save(self) -> dict[str, bytes]:
        """All that the bucket holds, by key."""
        return {name: self.system.cat_file(name) for name in self.system.find(BUCKET)}

    def fill(self, held: dict[str, bytes]) -> None:
        """Have the bucket, and in it what was saved."""
        self.system.mkdir(BUCKET)
        for name, content in held.items():
            self.system.pipe_file(name, content)


@contextlib.contextmanager
def serving(patch: pytest.MonkeyPatch, mirrors: Path) -> Iterator[Server]:
    """A server with an empty bucket, which this process and those that it starts use; mirrors go to ``mirrors``."""
    server = Server()
    patch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    patch.setenv("AWS_ACCESS_KEY_ID", "key")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    patch.setenv("AWS_MAX_ATTEMPTS", "1")  # the store's own tries are what is tested
    patch.setenv("ALSATIAN_MIRRORS", str(mirrors))
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "ALSATIAN_MIRROR_SIZE"):
        patch.delenv(name, raising=False)
    patch.setenv("AWS_CONFIG_FILE", os.devnull)
    patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    fsspec.filesystem("s3").clear_instance_cache()  # which knows another server
    server.start()
    try:
        server.fill({})
        yield server
    finally:
        server.kill()
        fsspec.filesystem("s3").clear_instance_cache()
