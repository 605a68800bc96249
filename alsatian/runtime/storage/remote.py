"""A folder elsewhere, named by a URL: which files it has, ranges of them, and putting files there, by fsspec.

What goes wrong on the way is tried again a few times, longer and longer after, besides what the libraries below do.
"""

import errno
import re
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, unquote

from alsatian.errors import ConfigError, RemoteError, StoreError, first_line, nearest

# A path of one has lost slashes.
_URL = re.compile(r"([a-z][a-z0-9+.-]+):/+([^/].*)", re.DOTALL)
_LOCAL, _WEB = ("file", "local"), ("http", "https")
PAUSES_S = (1.0, 2.0, 4.0)
"""Seconds before each further try."""
# What no further try changes; libraries have errors of their own for credentials.
_FINAL = (FileNotFoundError, PermissionError, NotImplementedError, ImportError, TypeError)
_FINAL_NAMES = {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "GatedRepoError"}
_TAGS = ("ETag", "etag", "blob_id", "md5Hash", "LastModified", "mtime", "created", "last_modified")
# Protocols are named in an error as far as they are of use.
_KNOWN = ("s3", "gs", "az", "https", "hf", "file")
T = TypeVar("T")


class Listed(NamedTuple):
    """A file elsewhere: its size in bytes, if that is known, and a text that changes when it does, else empty."""

    size: int | None
    tag: str


def url_of(name: str | Path) -> str | None:
    """The URL that ``name`` is, also as a path, which has lost a slash; None if it is a folder here."""
    if (match := _URL.fullmatch(str(name))) is None:
        return None
    slashes = "///" if match[1] in _LOCAL else "//"
    return f"{match[1]}:{slashes}{match[2].rstrip('/')}"


class Remote:
    """The folder at ``url``. Several threads may use it.

    Raises:
        ConfigError: the URL holds a password.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._protocol = url.partition(":")[0]
        if re.match(r"[^/]*//[^/]*:[^/]*@", url):
            raise ConfigError(
                f"{self._protocol}://…@{url.rpartition('@')[2]}: a URL of a store must not hold credentials; leave "
                "them to the environment or the configuration files of the service"
            )

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        """The file system, and the folder's path in it."""
        import fsspec

        more: dict[str, Any] = {"auto_mkdir": True} if self._protocol in _LOCAL else {}
        try:
            system, path = fsspec.url_to_fs(self.url, use_listings_cache=False, **more)
        except ImportError as error:
            package = " (pip install 'alsatian[remote]')" if self._protocol == "s3" else ""
            raise ConfigError(
                f"{self.url}: {self._protocol}:// needs a package that is missing: {first_line(error)}{package}"
            ) from None
        except ValueError:
            raise ConfigError(
                f"{self.url}: unknown protocol '{self._protocol}://'; {nearest(self._protocol, _KNOWN)}"
            ) from None
        return system, path.rstrip("/")

    def files(self, folder: str) -> dict[str, Listed]:
        """What lies below ``folder`` of it, by name within; nothing if there is no such folder.

        Raises:
            RemoteError: it cannot be reached, or the place that is to hold it, such as a bucket, is not there.
        """
        return self._tried(f"list {folder}", lambda: self._files(folder))

    def _files(self, folder: str) -> dict[str, Listed]:
        system, path = self._opened
        try:
            found = system.find(f"{path}/{folder}", detail=True)
        except FileNotFoundError:
            if not system.exists(path):
                raise
            found = {}
        names = ((name.partition(f"{path.lstrip('/')}/")[2], about) for name, about in found.items())
        if self._protocol in _WEB:
            names = ((unquote(name), about) for name, about in names)
        wanted = ((n, about) for n, about in names if n == folder or n.startswith(f"{folder}/"))
        return {n: _listed(about) for n, about in wanted if about.get("type", "file") == "file"}

    def part(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        """The bytes from ``start`` to before ``end`` of a file, fewer where it ends; all of it for None.

        Raises:
            RemoteError: it cannot be reached.
            StoreError: there is no such file, or it has no such bytes.
        """
        system, path = self._opened
        found: bytes = self._tried(
            f"read {name}", lambda: system.cat_file(self._path(path, name), start=start or None, end=end), name
        )
        if end is not None and len(found) > end - start:
            raise RemoteError(f"{self.url}: cannot read {name} in parts, which the server does not support")
        return found

    def put(self, file: Path, name: str) -> None:
        """Copy ``file`` there, as ``name``.

        Raises:
            RemoteError: it cannot be reached or written to.
        """
        system, path = self._opened
        self._tried(f"write {name}", lambda: system.put_file(str(file), self._path(path, name)))

    def _path(self, path: str, name: str) -> str:
        return f"{path}/{quote(name) if self._protocol in _WEB else name}"

    def _tried(self, what: str, work: Callable[[], T], name: str | None = None) -> T:
        """What ``work`` gives, tried again unless that is in vain; for file ``name`` its lack is the store's."""
        for pause in (*PAUSES_S, None):
            try:
                return work()
            except (ConfigError, StoreError):
                raise
            except Exception as error:  # each service has its own
                if isinstance(error, FileNotFoundError) and name is not None:
                    raise StoreError(f"{self.url}/{name}: is not there ({_reason(error)})") from None
                if isinstance(error, OSError) and error.errno == errno.EINVAL and name is not None:
                    raise StoreError(f"{self.url}/{name}: is shorter than it was") from None
                if pause is None or isinstance(error, _FINAL) or type(error).__name__ in _FINAL_NAMES:
                    raise RemoteError(f"{self.url}: cannot {what} ({_reason(error)}){_advice(error)}") from None
            time.sleep(pause)
        raise AssertionError


def _listed(about: dict[str, Any]) -> Listed:
    tag = next((str(about[key]) for key in _TAGS if about.get(key)), "")
    size = about.get("size")
    return Listed(size, f"{size} {tag}" if tag else "")


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return first_line(error).rstrip(".")


def _advice(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "; make it first, or correct the URL"
    if isinstance(error, PermissionError) or "Credential" in type(error).__name__:
        return "; give credentials that may do so, as the service's own tools take them"
    return "; what is here already stays: do it again once it can be reached"
