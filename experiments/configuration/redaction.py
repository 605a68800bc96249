"""Keeps secrets out of everything that is written: configurations, commands, errors."""

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

HIDDEN = "***"
# A name holds a secret if it ends so: tracker.api_key, HF_TOKEN, dbPassword; but not tokenizer or monkey.
_NAME = r"(?:(?:(?<![a-z0-9])(?:key|token|credential))|api[_-]?key|secret|password|passwd|passphrase)s?"
_SECRET_NAME = re.compile(rf"{_NAME}$", re.IGNORECASE)
# The same inside a word of a command line such as tracker={api_key: …}.
_INSIDE = re.compile(rf"(?P<name>{_NAME})(?P<between>['\"]?\s*[:=]\s*)(?P<value>[^,}}\]]+)", re.IGNORECASE)
# Shorter values may well be ordinary words of a record.
_SHORTEST = 8
_SHORTEST_OF_ENVIRONMENT = 12


class Redaction:
    """Hides what the configurations ``configs`` and the environment's variables hold under secret names.

    Attributes:
        values: texts that are hidden wherever they occur, the longest first.
    """

    def __init__(self, configs: Iterable[Mapping[str, Any]], environment: Mapping[str, str] = os.environ) -> None:
        found = {value for name, value in environment.items() if _hides(name, value) and _is_long(value)}
        for config in configs:
            found.update(value for value in _secrets(config) if len(value) >= _SHORTEST)
        self.values = sorted(found, key=lambda value: (-len(value), value))

    def config(self, value: Any) -> Any:
        """``value``, plain data, without what stands under a secret name, and without known secrets."""
        return self.everywhere(_hide(value))

    def words(self, words: Iterable[str]) -> list[str]:
        """Words of a command line; ``api_key=…`` loses its value, also inside ``tracker={api_key: …}``."""
        return [self.text(_word(word)) for word in words]

    def text(self, text: str) -> str:
        """``text`` without known secrets."""
        for value in self.values:
            text = text.replace(value, HIDDEN)
        return text

    def everywhere(self, value: Any) -> Any:
        """``value``, plain data, with known secrets hidden in all its texts."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(key): self.everywhere(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.everywhere(item) for item in value]
        return value


def _word(word: str) -> str:
    name, equals, value = word.partition("=")
    if equals and _hides(name, value):
        return f"{name}={HIDDEN}"

    def hidden(match: re.Match[str]) -> str:
        found = match["value"]
        return match["name"] + match["between"] + (HIDDEN if _hides(match["name"], found) else found)

    return _INSIDE.sub(hidden, word)


def _is_long(value: str) -> bool:
    return len(value) >= _SHORTEST_OF_ENVIRONMENT


def _hides(name: object, value: Any) -> bool:
    """Whether ``value`` under ``name`` is a secret. A number under a plural (max_tokens) is an amount."""
    if value in (None, "") or isinstance(value, bool | Mapping) or not _SECRET_NAME.search(str(name)):
        return False
    if isinstance(value, list):
        return all(isinstance(item, str) for item in value)
    return not (str(name).lower().endswith("s") and str(value).strip().isdigit())


def _hide(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: HIDDEN if _hides(key, item) else _hide(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hide(item) for item in value]
    return value


def _secrets(value: Any) -> Iterable[str]:
    """Texts under secret names."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if _hides(key, item):
                yield from map(str, item if isinstance(item, list) else [item])
            else:
                yield from _secrets(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _secrets(item)
