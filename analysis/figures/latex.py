"""Figures as LaTeX includes them: the picture with its caption, in an environment of one or two columns."""

from analysis.figures.style import COLUMNS

# What LaTeX takes as an order, or has no letter for, whatever its fonts.
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "\u00a0": "~", "–": "--", "…": r"\ldots{}", "×": r"$\times$",
    "±": r"$\pm$", "≈": r"$\approx$", "≤": r"$\le$", "≥": r"$\ge$", "µ": r"$\mu$", "³": "$^3$", "⁶": "$^6$",
}  # fmt: skip


def escape(text: str) -> str:
    """``text`` as LaTeX prints it, in one paragraph."""
    return "".join(_SPECIAL.get(letter, letter) for letter in text.replace("\n", " "))


def figure(name: str, inches: float, title: str, caption: str) -> str:
    """A whole figure environment of ``<name>.pdf``, which is so many ``inches`` wide.

    The picture keeps its size, so that its texts keep theirs.
    """
    star = "*" if inches > COLUMNS[1] + 0.01 else ""
    about = f"\\textbf{{{escape(title)}.}} {escape(caption)}" if title else escape(caption)
    return "\n".join([
        f"\\begin{{figure{star}}}",
        "  \\centering",
        f"  \\includegraphics{{{name}.pdf}}% {inches:.2f} inches",
        f"  \\caption{{{about}}}",
        f"  \\label{{fig:{name}}}",
        f"\\end{{figure{star}}}",
        "",
    ])  # fmt: skip
