"""Which architectures' blocks compute the same, bit for bit.

Splits all classification models of torchvision and many model classes of transformers, with random parameters, and
compares the chain of blocks with the module that it comes from.
"""

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from experiments.studies.study import Page, Say, table

if TYPE_CHECKING:  # what loads torch, which the arguments do not need
    from experiments.studies.coverage.measurement import CoverageRow


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the study's arguments."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these, e.g. resnet18 BertModel")
    parser.add_argument("--sample", type=_positive, metavar="N", help="only a fixed mix of N")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of at least 1")
    return int(text)


def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
    """Measure every case; each leaves a page."""
    import gc
    import os
    import warnings

    from experiments.studies.coverage import measurement
    from experiments.studies.coverage.cases import select

    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # these models are too small for its advice
    cases = select(options.names, options.sample)
    rows: list[CoverageRow] = []
    for i, case in enumerate(cases, 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # libraries advise on training and on options chosen here
            rows.append(row := measurement.check(case))
        gc.collect()  # modules are cyclic, and the next one may need the memory
        verdict = f"{row.blocks} blocks, exact" if row.exact else f"not exact: {row.error}"
        say(f"[{i}/{len(cases)}] {row.name}: {verdict}")
        yield page(rows)


def page(rows: Sequence["CoverageRow"]) -> Page:
    """The table of ``rows``, with everything in them as data."""
    from importlib.metadata import version

    import pandas as pd

    from experiments.studies.coverage.measurement import BATCHES, CoverageRow

    found = pd.DataFrame(rows, columns=list(CoverageRow.__dataclass_fields__))
    shown = found.drop(columns="error").rename(columns={"name": "model", "largest_share": "largest"})
    shown["exact"] = ["yes" if exact else "**no**" for exact in found["exact"]]
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torchvision", "transformers"))
    blocks = [
        f"{summary(rows)}. With {libraries}.",
        "Every model is built with random parameters and running statistics, exported with two items, and run "
        f"at batch sizes {' and '.join(map(str, BATCHES))}, text with and without padding. *Exact* means that the "
        "chain of blocks returns the features of the module, bit for bit. *Largest* is the largest block's share "
        "of the parameters and buffers that the chain reads, shared ones counted once; *seconds* are for export "
        "and split.",
        table(shown, parameters="{:,}", largest="{:.0%}", seconds="{:.1f}"),
    ]
    if wrong := [f"- {row.name}: {row.error}" for row in rows if not row.exact]:
        blocks += ["## Not exact", "\n".join(wrong)]
    data = found.round({"largest_share": 4, "seconds": 2})
    return Page("Coverage of the splitter", blocks, data, good=not wrong)


def summary(rows: Sequence["CoverageRow"]) -> str:
    """How many are exact, in words, in all and by library."""
    exact: dict[str, list[bool]] = {}
    for row in rows:
        exact.setdefault(row.name.split("/")[0], []).append(row.exact)
    parts = ", ".join(f"{library} {sum(exact[library])} of {len(exact[library])}" for library in sorted(exact))
    return f"{sum(row.exact for row in rows)} of {len(rows)} exact" + (f" ({parts})" if parts else "")
