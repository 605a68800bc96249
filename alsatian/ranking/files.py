"""The files of a ranking."""

from pathlib import Path

from alsatian.files import write_bytes, write_json
from alsatian.ranking import report, tables
from alsatian.records.ranking import Ranking


def write(record: Ranking, folder: Path) -> dict[str, Path]:
    """Write ``ranking.json``, ``ranking.csv`` and ``report.html`` to ``folder``, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / name for name in ("ranking.csv", "ranking.json", "report.html")}
    write_bytes(paths["ranking.csv"], tables.frame(record).to_csv().encode())
    write_json(paths["ranking.json"], record.plain())
    report.write(record, paths["report.html"])
    return paths
