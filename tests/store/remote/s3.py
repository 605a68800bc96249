"""A real S3 server on loopback, a process of its own, which can be killed and started again with what it holds."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import fsspec
import pytest

BUCKET = "models"
_SERVER = """
import sys, time
from pathlib import Path
from urllib.parse import unquote
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer
bucket, held = sys.argv[2:]
s3 = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
s3.create_bucket(bucket, "us-east-1")
for file in Path(held).iterdir():
    s3.put_object(bucket, unquote(file.name), file.read_bytes())
server = ThreadedMotoServer(ip_address="127.0.0.1", port=int(sys.argv[1]), verbose=False)
server.start()
time.sleep(3600)
"""


class Server:
    """moto's server. It keeps its bucket in memory; what was saved in the folder ``held`` it begins with."""

    def __init__(self, held: Path) -> None:
        self._held = held
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
        command = [sys.executable, "-c", _SERVER, str(self.port), BUCKET, str(self._held)]
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

    def save(self) -> list[str]:
        """Have what the bucket holds be there after the next :meth:`start`; the keys."""
        keys = [name.removeprefix(f"{BUCKET}/") for name in self.system.find(BUCKET)]
        for key in keys:
            (self._held / quote(key, safe="")).write_bytes(self.system.cat_file(f"{BUCKET}/{key}"))
        return keys


@contextlib.contextmanager
def serving(patch: pytest.MonkeyPatch, mirrors: Path) -> Iterator[Server]:
    """A server with an empty bucket, which this process and those that it starts use; mirrors go to ``mirrors``."""
    held = mirrors / "held"
    held.mkdir(parents=True)
    server = Server(held)
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
        yield server
    finally:
        server.kill()
        fsspec.filesystem("s3").clear_instance_cache()
