"""What all studies share: how one is found and run, its tables, and its page in the documentation.

A study is a module or package beside this one. The first line of its docstring is its description,
``configure(parser)`` declares its arguments, and ``run(options, say)`` measures and yields its :class:`Page`: once
at its end, or again and again as it gets on, so that an interrupted study leaves what it has.
"""

import argparse
import ast
import io
import os
import shlex
import shutil
import textwrap
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from pkgutil import iter_modules
from statistics import median
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from alsatian.errors import AlsatianError, ConfigError, nearest
from alsatian.files import write_bytes
from experiments.configuration.console import FLAGS, add_flags, progress, speaking, volume

if TYPE_CHECKING:  # libraries that take long to import, which the names of the studies do not need
    import pandas as pd
    from matplotlib.figure import Figure

    from alsatian.records.run import Environment
    from experiments.studies.freshness import Entry

HERE = Path(__file__).parent
SHARED = ("study", "published", "freshness")
"""Modules beside this one that are no studies."""
PAGES = Path("docs/results")

Say = Callable[[str], None]
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Page:
    """What a study found.

    Attributes:
        title: of the page.
        blocks: paragraphs, headings and tables in Markdown.
        data: what the page shows, for a CSV beside it; None for none.
        figure: to be drawn as PNG beside the page; None for none.
        name: of the files, unless it is the study's.
        good: whether all is as it should be; decides the exit status.
        source: where its numbers come from, if they were measured before; given what is true of the page itself.
    """

    title: str
    blocks: Sequence[str]
    data: "pd.DataFrame | None" = None
    figure: "Figure | None" = None
    name: str = ""
    good: bool = True
    source: "Callable[[Entry], Entry] | None" = None


def studies() -> dict[str, str]:
    """Names and descriptions of all studies."""
    found = {}
    for module in iter_modules([str(HERE)]):
        if module.name not in SHARED:
            path = HERE / module.name / "__init__.py" if module.ispkg else HERE / f"{module.name}.py"
            text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
            found[module.name] = text.partition("\n")[0].rstrip(".")
    return found


def execute(name: str, words: Sequence[str], say: Say) -> int:
    """Run the study ``name`` with ``words`` as on the command line and write its page; returns the exit status.

    Raises:
        ConfigError: there is no such study, or a word is no good.
    """
    if name not in (known := studies()):
        raise ConfigError(f"there is no study '{name}'; {nearest(name, known)}")
    module: Any = import_module(f"experiments.studies.{name}")
    options = parse(module, f"alsatian study {name}", words)
    command = shlex.join(["alsatian", "study", name, *(word for word in words if word not in FLAGS)])
    with speaking(options.volume or volume()):
        return write(name, command, module, options, say)


def parse(module: Any, program: str, words: Sequence[str]) -> argparse.Namespace:
    """What ``words`` ask ``module`` for, and where its page goes; ``program`` is what help and errors call it."""
    width = shutil.get_terminal_size().columns - 2  # as argparse does
    about = "\n\n".join(textwrap.fill(paragraph, width) for paragraph in module.__doc__.split("\n\n"))
    parser = argparse.ArgumentParser(
        program, description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    module.configure(parser)
    parser.add_argument(
        "--out", type=Path, default=PAGES, metavar="FOLDER", help="of the page (default: %(default)s)"
    )
    add_flags(parser)
    return parser.parse_args(words)


def write(name: str, command: str, module: Any, options: argparse.Namespace, say: Say) -> int:
    """Run the study ``module`` and write every page that it yields below ``options.out``, with what its numbers
    come from in ``sources.json``; 0 if the last one is good."""
    from experiments.runs.environment import environment
    from experiments.studies import freshness

    # Asked before: a page that is written changes the checkout that holds it.
    before, machine, page, path = os.getloadavg()[0], environment(), None, options.out
    source = freshness.entry(name, module, command)
    for page in module.run(options, progress(say)):
        stem = options.out / (page.name or name)
        path = stem.with_suffix(".md")
        if page.data is not None:
            write_bytes(stem.with_suffix(".csv"), page.data.to_csv(index=False, lineterminator="\n").encode())
        if page.figure is not None:
            write_bytes(stem.with_suffix(".png"), _png(page.figure))
        write_bytes(path, text(page, command, machine, before).encode())
        freshness.note(options.out, path.name, page.source(source) if page.source else source)
    if page is None:
        raise AlsatianError(f"{name}: nothing was found")
    say(text(page, command, machine, before))
    say(f"written: {path}")
    return 0 if page.good else 1


def text(page: Page, command: str, machine: "Environment", load: float = 0.0) -> str:
    """``page`` in Markdown, made on ``machine``; ``load`` is its load average before the study."""
    code = f"{machine.commit}{' with changes' if machine.dirty else ''}"
    made = (
        f"Made by `{command}` on {date.today()}: {machine.cpu}, {machine.cores} cores, "
        f"Python {machine.python}, PyTorch {machine.libraries['torch']}, code {code}, "
        f"load average {load:.1f} before and {os.getloadavg()[0]:.1f} after."
    )
    return "\n\n".join([f"# {page.title}", made, *page.blocks]) + "\n"


def _png(figure: "Figure") -> bytes:
    from analysis.figures import style

    content = io.BytesIO()
    with style.drawing():
        figure.savefig(content, format="png", dpi=style.DPI, metadata={"Software": None})
    return content.getvalue()


def table(rows: Any, **formats: str) -> str:
    """``rows``, a DataFrame or mappings, in Markdown, numbers to the right.

    ``formats`` says how columns are written, as ``str.format`` does; what is missing is left empty.
    """
    import pandas as pd

    frame = pd.DataFrame(rows if isinstance(rows, pd.DataFrame) else list(rows))
    right = [pd.api.types.is_numeric_dtype(frame[name]) or name in formats for name in frame]
    for name in frame:
        form = formats.get(str(name), "{}")
        frame[name] = [
            value if isinstance(value, str) else "" if pd.isna(value) else form.format(value)
            for value in frame[name].astype(object)
        ]
    sides = ["right" if side else "left" for side in right]
    shown: str = frame.to_markdown(index=False, disable_numparse=True, colalign=sides if len(frame) else None)
    return shown


def spread(values: Iterable[float], form: str = "{:.2f}", none: str = "–") -> str:
    """A median with its range, each written in ``form``; ``none`` without values, no range with a single one."""
    found = list(values)
    if not found:
        return none
    extremes = f" ({form.format(min(found))}–{form.format(max(found))})" if len(found) > 1 else ""
    return form.format(median(found)) + extremes


def apart(
    what: str, function: Callable[Arguments, Result], *arguments: Arguments.args, **more: Arguments.kwargs
) -> Result:
    """``function`` of ``arguments`` in a fresh process, whose memory is its own and free again after it.

    Raises:
        AlsatianError: it failed, or the process ended; ``what`` was to be done.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(function, *arguments, **more).result()
        except AlsatianError:
            raise
        except Exception as error:  # whatever it was, it is one measurement that is missing
            raise AlsatianError(f"{what} failed: {error}") from error
