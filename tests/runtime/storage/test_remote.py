"""URLs, and what becomes of what goes wrong on the way."""

from collections.abc import Callable
from pathlib import Path

import pytest

from alsatian.errors import ConfigError, RemoteError, StoreError
from alsatian.runtime.storage.remote import Remote, url_of

fsspec = pytest.importorskip("fsspec")


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("s3://bucket/some/store", "s3://bucket/some/store"),
        ("s3:/bucket/some/store", "s3://bucket/some/store"),
        (Path("gs://bucket"), "gs://bucket"),
        ("https://host:80/a/", "https://host:80/a"),
        ("file:///a/b", "file:///a/b"),
        (Path("file:///a/b"), "file:///a/b"),
        ("store", None),
        ("./s3/x", None),
        ("/a:/b", None),
        (Path("/s3:/b"), None),
        ("C:/models", None),
        ("", None),
    ],
)
def test_urls(name: str | Path, url: str | None) -> None:
    assert url_of(name) == url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("models/a.json", "models/b%2Fc.json", "blocks/00/x", "modelsmore/d"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"content of {name}")
    return tmp_path


def test_files_and_their_parts(folder: Path) -> None:
    remote = Remote(f"file://{folder}")
    found = remote.files("models")
    assert {name: one.size for name, one in found.items()} == {"models/a.json": 24, "models/b%2Fc.json": 28}
    assert len({one.tag for one in found.values()}) == 2
    assert set(remote.files("blocks")) == {"blocks/00/x"}
    assert remote.files("nothing") == {}
    assert remote.part("models/a.json") == b"content of models/a.json"
    assert remote.part("models/a.json", 3, 7) == b"tent"
    assert remote.part("models/a.json", 20, 90) == b"json"
    with pytest.raises(StoreError, match=r"models/z\.json: is not there"):
        remote.part("models/z.json")
    (folder / "new").write_text("new")
    remote.put(folder / "new", "sets/new.json")
    assert (folder / "sets" / "new.json").read_text() == "new"


class Failing:
    """A file system that fails so often, with this error."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error = error
        self.left = times
        self.asked = 0

    def cat_file(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        self.asked += 1
        if self.left:
            self.left -= 1
            raise self.error
        return b"whole"


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Remote, Failing, list[float]]]:
    def made(error: Exception, times: int) -> tuple[Remote, Failing, list[float]]:
        system, slept = Failing(error, times), list[float]()
        monkeypatch.setattr("time.sleep", slept.append)
        remote = Remote("s3://bucket/store")
        remote.__dict__["_opened"] = (system, "bucket/store")
        return remote, system, slept

    return made


def test_it_is_tried_again_later_and_later(failing: Callable[..., tuple[Remote, Failing, list[float]]]) -> None:
    remote, system, slept = failing(ConnectionResetError("reset"), 3)
    assert remote.part("x") == b"whole"
    assert system.asked == 4
    assert slept == [1.0, 2.0, 4.0]


@pytest.mark.parametrize("error", [TimeoutError(), OSError("broken\npipe"), RuntimeError("closed.")])
def test_in_the_end_one_line_names_url_and_reason(
    error: Exception, failing: Callable[..., tuple[Remote, Failing, list[float]]]
) -> None:
    remote, system, _ = failing(error, 9)
    with pytest.raises(
        RemoteError, match=r"^s3://bucket/store: cannot read x \((no answer in time|broken|closed)\)"
    ):
        remote.part("x")
    assert system.asked == 4


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileNotFoundError("no key"), StoreError),
        (PermissionError("denied"), RemoteError),
        (OSError(22, "range"), StoreError),
    ],
)
def test_what_does_not_change_is_not_tried_again(
    error: Exception, kind: type, failing: Callable[..., tuple[Remote, Failing, list[float]]]
) -> None:
    remote, system, slept = failing(error, 9)
    with pytest.raises(kind):
        remote.part("x")
    assert (system.asked, slept) == (1, [])


def test_a_server_that_ignores_ranges_is_said(failing: Callable[..., tuple[Remote, Failing, list[float]]]) -> None:
    remote, _, _ = failing(OSError(), 0)
    with pytest.raises(RemoteError, match="which the server does not support"):
        remote.part("x", 0, 2)


def test_urls_with_passwords_are_refused() -> None:
    with pytest.raises(ConfigError, match="must not hold credentials") as refused:
        Remote("s3://key:secret@bucket/store")
    assert "secret" not in str(refused.value)
    Remote("abfs://container@account.host/store")
