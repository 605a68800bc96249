"""Docstrings of Python's standard library by topic: real text that is on every machine.

Classes are packages and modules; the items are the docstrings of their modules, classes and functions.
Which items there are depends on the Python version, so the dataset's digest does too.
"""

import ast
import sysconfig
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from alsatian.data.dataset import Dataset, make_dataset, stratified_order
from alsatian.data.text import text_items
from alsatian.errors import ConfigError

# Packages and modules of one topic. The two pools share no file, so that no candidate has seen the
# target's items.
TARGET_TOPICS: Mapping[str, tuple[str, ...]] = {
    "asyncio": ("asyncio",),
    "email": ("email",),
    "web": ("http", "urllib", "wsgiref"),
    "testing": ("unittest", "doctest.py"),
    "markup": ("xml", "html"),
    "processes": ("multiprocessing", "concurrent", "subprocess.py"),
    "packages": ("importlib", "zipimport.py", "pkgutil.py"),
    "numbers": ("statistics.py", "fractions.py", "_pydecimal.py", "random.py", "numbers.py"),
}
SOURCE_TOPICS: Mapping[str, tuple[str, ...]] = {
    "files": ("pathlib.py", "shutil.py", "tempfile.py", "zipfile.py", "tarfile.py", "_pyio.py", "gzip.py"),
    "interpreter": ("inspect.py", "ast.py", "dis.py", "traceback.py", "types.py", "typing.py"),
    "logging": ("logging", "warnings.py", "cgitb.py"),
    "network": ("socket.py", "ssl.py", "smtplib.py", "ftplib.py", "imaplib.py", "ipaddress.py", "socketserver.py"),
    "time": ("datetime.py", "_pydatetime.py", "calendar.py", "_strptime.py", "sched.py"),
    "debugging": ("pdb.py", "bdb.py", "cmd.py", "pydoc.py", "trace.py", "profile.py"),
    "text": ("string.py", "textwrap.py", "difflib.py", "argparse.py", "configparser.py", "csv.py"),
    "threads": ("threading.py", "queue.py", "selectors.py", "contextlib.py", "weakref.py"),
}
_SHORTEST = 40  # characters; below that a docstring says little about its topic
_SEED = 11


@cache
def docstring_pool(target: bool) -> tuple[np.ndarray, np.ndarray]:
    """Texts (N,) of type object and topic numbers (N,) of the target pool or the source pool.

    A text stands once, and in the target pool if it occurs in both.
    """
    if target:
        return _docstrings(TARGET_TOPICS, set())
    return _docstrings(SOURCE_TOPICS, set(docstring_pool(target=True)[0]))


def docstring_files() -> list[Path]:
    """The files that both pools are made of."""
    library = Path(sysconfig.get_path("stdlib"))
    topics = (*TARGET_TOPICS.values(), *SOURCE_TOPICS.values())
    return [path for places in topics for place in places for path in _sources(library / place)]


def _docstrings(topics: Mapping[str, Sequence[str]], seen: set[str]) -> tuple[np.ndarray, np.ndarray]:
    """Texts that are not ``seen``, in the topics' order; they become so."""
    library = Path(sysconfig.get_path("stdlib"))
    texts: list[str] = []
    labels: list[int] = []
    for label, places in enumerate(topics.values()):
        for path in (p for place in places for p in _sources(library / place)):
            for text in _docstrings_of(path):
                if len(text) >= _SHORTEST and text not in seen:
                    seen.add(text)
                    texts.append(text)
                    labels.append(label)
    return text_items(texts), np.array(labels, np.int64)


def stdlib_docstrings(items: int = 480, test_share: float = 0.25, seed: int = 0) -> Dataset:
    """``items`` docstrings of the target topics as a dataset, the topics in their natural proportions.

    Raises:
        ConfigError: more items asked for than there are, or fewer than topics.
    """
    texts, labels = docstring_pool(target=True)
    if not len(TARGET_TOPICS) <= items <= len(texts):
        raise ConfigError(
            f"dataset.items={items}: this Python's library has {len(texts)} docstrings on "
            f"{len(TARGET_TOPICS)} topics; ask for {len(TARGET_TOPICS)} to {len(texts)}"
        )
    chosen = stratified_order(labels, _SEED)[:items]
    return make_dataset("docstrings", texts[chosen], labels[chosen], test_share=test_share, seed=seed)


def _sources(place: Path) -> list[Path]:
    """Python files at ``place``, without tests; none if this version lacks it."""
    if place.is_dir():
        return [p for p in sorted(place.rglob("*.py")) if not {"test", "tests"} & set(p.parts)]
    return [place] if place.is_file() else []


def _docstrings_of(path: Path) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old escapes in old modules
        tree = ast.parse(path.read_text(encoding="utf-8", errors="replace"))
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    texts = (ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, kinds))
    return [text for text in texts if text]
