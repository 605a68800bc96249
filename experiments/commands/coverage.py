"""``alsatian coverage``: split many architectures and compare chain and eager, bit for bit."""

import argparse
from pathlib import Path

from rich.console import Console

HELP = "split many architectures and check that their blocks compute the same"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these, e.g. resnet18 BertModel")
    parser.add_argument("--sample", type=_positive, metavar="N", help="only a fixed mix of N")
    parser.add_argument(
        "--out", type=Path, default=Path("results/coverage"), metavar="FOLDER", help="default: %(default)s"
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of at least 1")
    return int(text)


def handle(options: argparse.Namespace, console: Console) -> int:
    """Measure, write ``measurement.csv`` and ``measurement.md``; 1 if a model is not exact."""
    import gc
    import os
    import warnings
    from datetime import UTC, datetime
    from importlib.metadata import version

    from alsatian.files import write_bytes
    from experiments.studies.coverage import measurement
    from experiments.studies.coverage.cases import select
    from experiments.studies.coverage.table import as_csv, as_markdown, summary

    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # these models are too small for its advice
    cases = select(options.names, options.sample)
    environment = {name: version(name) for name in ("torch", "torchvision", "transformers")}
    environment["CPU cores:"] = str(os.cpu_count())
    rows: list[measurement.CoverageRow] = []
    for i, case in enumerate(cases, 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # libraries advise on training and on options chosen here
            row = measurement.check(case)
        gc.collect()  # modules are cyclic, and the next one may need the memory
        rows.append(row)
        verdict = f"{row.blocks} blocks, exact" if row.exact else f"not exact: {row.error}"
        console.print(f"[{i}/{len(cases)}] {row.name}: {verdict}", markup=False, highlight=False)
        # After every row: an interrupted run leaves what it has measured.
        date = datetime.now(UTC).date().isoformat()
        write_bytes(options.out / "coverage.csv", as_csv(rows).encode())
        write_bytes(options.out / "coverage.md", as_markdown(rows, date, environment).encode())
    console.print(f"{summary(rows)}; {options.out / 'coverage.md'}", markup=False, highlight=False)
    return 0 if all(row.exact for row in rows) else 1
