"""Keeps an experiment's records as one file for the tests: ``python pack.py results/fig10 …``.

Each folder becomes ``records/<name>.json``, the expected numbers ``expected/<name>.csv`` and
``expected/<name>-verdict.csv``. Look at what changed before committing it.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

from analysis import paper

HERE = Path(__file__).parent
NAMES = ("run.json", "blocks.json", "overlap.json")


def pack(folder: Path) -> None:
    """Write the three files of ``folder``."""
    documents = {
        f"{path.parent.name}/{path.name}": json.loads(path.read_bytes())
        for name in NAMES
        for path in sorted(folder.glob(f"*/{name}"))
    }
    (HERE / "records").mkdir(exist_ok=True)
    (HERE / "expected").mkdir(exist_ok=True)
    kept = HERE / "records" / f"{folder.name}.json"
    kept.write_text(json.dumps(documents, separators=(",", ":"), ensure_ascii=False) + "\n")
    with tempfile.TemporaryDirectory() as name:
        unpacked = unpack(kept, Path(name))
        section = paper.section(unpacked)
        for path in section.save(unpacked) if section else ():
            if path.suffix == ".csv":
                end = "-verdict" if path.name == "verdict.csv" else ""
                shutil.copyfile(path, HERE / "expected" / f"{folder.name}{end}.csv")


def unpack(kept: Path, folder: Path) -> Path:
    """The experiment's folder again, below ``folder``."""
    for place, document in json.loads(kept.read_text()).items():
        path = folder / kept.stem / place
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(document))
    return folder / kept.stem


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        pack(Path(argument))
