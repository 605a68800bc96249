"""Tables as text: aligned for a terminal, or Markdown."""

import re
from collections.abc import Sequence

# Title and whether the column holds numbers, which are aligned to the right.
Header = Sequence[tuple[str, bool]]
GAP = "  "
# Wrapped columns are not made narrower than this.
NARROW = 12
NO_BREAK = "\u00a0"


def text(header: Header, rows: Sequence[Sequence[str]], width: int, wrap: Sequence[str] = ()) -> str:
    """Rows under ``header``, in at most ``width`` columns where that can be had.

    Titles break at their spaces. Where the table is still too wide, the columns named in ``wrap`` are made
    narrower, in that order, and their cells go on in further lines; no text is cut off. Lines do not end
    at no-break spaces, which come out as plain ones.
    """
    titles = [title for title, _ in header]
    widths = [
        max(len(words) for words in (*title.split(" "), *(row[i] for row in rows)))
        for i, title in enumerate(titles)
    ]
    # First without breaking words, then, if that is not enough, within them.
    for longest_word in (True, False):
        for name in wrap:
            i = titles.index(name)
            words = (word for row in rows for word in row[i].split(" "))
            narrowest = max([NARROW, *(len(word) for word in words if longest_word)])
            excess = sum(widths) + len(GAP) * (len(widths) - 1) - width
            widths[i] = max(min(narrowest, widths[i]), widths[i] - max(0, excess))
    lines = _lines(header, [_pieces(title, widths[i]) for i, title in enumerate(titles)], widths, bottom=True)
    lines.append(GAP.join("─" * w for w in widths))
    for row in rows:
        lines += _lines(header, [_pieces(cell, widths[i]) for i, cell in enumerate(row)], widths)
    return "\n".join(lines).replace(NO_BREAK, " ")


def markdown(header: Header, rows: Sequence[Sequence[str]]) -> str:
    """The same as a Markdown table."""
    lines = [[title for title, _ in header], ["---:" if number else "---" for _, number in header]]
    lines += [[escape(cell) for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines).replace(NO_BREAK, " ")


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


def _pieces(cell: str, width: int) -> list[str]:
    return [cell] if len(cell) <= width else wrapped(cell, width)


def _lines(header: Header, cells: Sequence[list[str]], widths: Sequence[int], bottom: bool = False) -> list[str]:
    """One row of the table, as many lines as its longest cell needs."""
    height = max(len(cell) for cell in cells)
    lines = []
    for n in range(height):
        line = []
        for cell, width, (_, number) in zip(cells, widths, header, strict=True):
            at = n - (height - len(cell)) if bottom else n
            piece = cell[at] if 0 <= at < len(cell) else ""
            line.append(piece.rjust(width) if number else piece.ljust(width))
        lines.append(GAP.join(line).rstrip())
    return lines


def escape(cell: str) -> str:
    """``cell`` without anything that Markdown or HTML would read as markup."""
    return re.sub(r"([\\`*_\[\]<>|&])", r"\\\1", cell)
