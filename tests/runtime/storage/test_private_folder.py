"""A folder of one's own: it leaves with its owner, however the owner ends."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from alsatian.errors import LocalDiskError
from alsatian.runtime.storage.private_folder import private_folder

OWNER = """
import sys, time
from alsatian.runtime.storage.private_folder import private_folder
with private_folder(sys.argv[1], "copies-", "some.key") as folder:
    (folder / "sub").mkdir()
    (folder / "sub" / "file").write_bytes(b"x" * 100)
    print(folder, flush=True)
    time.sleep(60)
"""


def test_it_is_new_and_removed_at_the_end(tmp_path: Path) -> None:
    with private_folder(tmp_path / "made" / "too", "copies-", "k") as one:
        with private_folder(tmp_path / "made" / "too", "copies-", "k") as two:
            assert one != two
            (one / "sub").mkdir()
            (one / "sub" / "file").touch()
        assert (one / "sub" / "file").exists()
        assert not two.exists()
    assert list((tmp_path / "made" / "too").iterdir()) == []


def test_it_may_be_gone_before(tmp_path: Path) -> None:
    with private_folder(tmp_path, "copies-", "k") as folder:
        shutil.rmtree(folder)
    assert list(tmp_path.iterdir()) == []


def test_an_error_removes_it_too(tmp_path: Path) -> None:
    with pytest.raises(KeyError), private_folder(tmp_path, "copies-", "k"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_null_means_the_systems_folder_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with private_folder(None, "copies-", "k") as folder:
        assert folder.parent == tmp_path


def test_what_a_killed_process_left_is_removed_and_a_living_ones_stays(tmp_path: Path) -> None:
    owners = []
    for _ in range(2):
        owner = subprocess.Popen(
            [sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=os.environ
        )
        assert owner.stdout is not None
        owners.append((owner, Path(owner.stdout.readline().strip())))
    (killed, left), (_, used) = owners
    try:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert left.exists()
        with private_folder(tmp_path, "copies-", "k"):
            assert not left.exists()
            assert (used / "sub" / "file").exists()
    finally:
        for owner, _ in owners:
            owner.kill()
            owner.communicate()


def test_a_folder_that_only_has_such_a_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "copies-of-my-thesis").mkdir()
    (tmp_path / "copies-of-my-thesis" / "thesis.tex").touch()
    (tmp_path / "copies-").write_text("a file")
    with private_folder(tmp_path, "copies-", "k"):
        pass
    assert (tmp_path / "copies-of-my-thesis" / "thesis.tex").exists()
    assert (tmp_path / "copies-").exists()


def test_a_path_that_is_no_folder_is_named_with_its_key(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LocalDiskError, match=r"set cache\.ssd_dir") as error:
        private_folder(tmp_path / "file", "copies-", "cache.ssd_dir").__enter__()
    assert str(tmp_path / "file") in str(error.value)
    assert "\n" not in str(error.value)
