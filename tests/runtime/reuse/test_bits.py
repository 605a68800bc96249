"""What decides about bits is part of what features are kept under."""

from pathlib import Path

import pytest
import torch

import alsatian
from alsatian.fingerprint import digest_json
from alsatian.runtime.reuse.bits import code_digest, surroundings


def test_any_change_of_the_source_is_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alsatian, "__file__", str(tmp_path / "__init__.py"))
    (tmp_path / "deeper").mkdir()
    contents = [("a.py", "ab"), ("deeper/b.py", "c")]
    found = set()
    for name, content in [*contents, ("a.py", "a"), ("deeper/b.py", "bc"), ("deeper/c.py", "")]:
        (tmp_path / name).write_text(content)
        found.add(code_digest.__wrapped__())
    assert len(found) == 5
    (tmp_path / "notes.txt").write_text("no code")
    assert code_digest.__wrapped__() in found


def test_the_surroundings_are_plain_and_the_same_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    device = torch.device("cpu")
    known = digest_json(surroundings(device))
    assert known == digest_json(surroundings(device))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        assert digest_json(surroundings(device)) != known
    finally:
        torch.set_num_threads(threads)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert digest_json(surroundings(device)) != known
