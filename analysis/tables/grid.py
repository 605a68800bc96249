"""Labels in several lines."""

import re

NO_BREAK = "\u00a0"


def wrapped(cell: str, width: int) -> list[str]:
    """``cell`` in lines of at most ``width`` characters.

    Lines end at spaces; words that are too long for a line are broken after one of ``_-=./``, else anywhere.
    """
    lines = [""]
    for word in cell.split(" "):
        first, *rest = [word] if len(word) <= width else _broken(word, width)
        if lines[-1] and len(lines[-1]) + 1 + len(first) > width:
            lines.append(first)
        else:
            lines[-1] = f"{lines[-1]} {first}" if lines[-1] else first
        lines += rest
    return lines


def _broken(word: str, width: int) -> list[str]:
    """A long word in pieces of at most ``width`` characters."""
    lines = [""]
    for piece in re.findall(r"[^_\-=./]*[_\-=./]*", word):
        if lines[-1] and len(lines[-1]) + len(piece) > width:
            lines.append("")
        lines[-1] += piece
        while len(lines[-1]) > width:
            lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return lines
