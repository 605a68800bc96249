"""Commands that make the same model set in one new store at the same time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from alsatian.store.store import BlockStore
from experiments.runs.launchers import process

MAKE = """
import json, sys
from alsatian.progress import unheard
from experiments.configuration.composition import cells
from experiments.configuration.setup import Parts
(cell,) = cells(["scale=ci", f"store_dir={sys.argv[1]}"])
parts = Parts()
print("ready", flush=True)
sys.stdin.readline()
models = parts.model_set(parts.setup(cell.plain).config, unheard)
print(json.dumps([models.digest, [[b.identity for b in c.blocks] for c in models.candidates]]))
"""


@pytest.mark.slow
def test_all_get_the_same_models_and_the_store_is_whole(tmp_path: Path) -> None:
    made = [
        subprocess.Popen(
            [sys.executable, "-c", MAKE, str(tmp_path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **process.environment()},
        )
        for _ in range(2)
    ]  # fmt: skip
    for one in made:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in made:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    found = [json.loads(one.communicate(timeout=300)[0]) for one in made]
    assert [one.returncode for one in made] == [0, 0]
    assert found[0] == found[1]
    store = BlockStore(tmp_path)
    assert all(store.holds(identity) for chain in found[0][1] for identity in chain)
    assert not list(tmp_path.rglob(".*.tmp"))
