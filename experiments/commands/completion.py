"""``alsatian completion``: what has a shell complete the command's words."""

import argparse

from rich.console import Console

HELP = "print a script for a shell that completes commands and options"
SHELLS = ("bash", "zsh", "tcsh")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "shell", metavar="SHELL", choices=SHELLS,
        help=f"{', '.join(SHELLS)}; for bash: alsatian completion bash > "
        "~/.local/share/bash-completion/completions/alsatian",
    )  # fmt: skip


def handle(options: argparse.Namespace, console: Console) -> int:
    """Print the script."""
    from alsatian.errors import ConfigError

    try:
        import shtab
    except ModuleNotFoundError:
        raise ConfigError("completion: needs shtab; pip install 'alsatian[completion]'") from None
    console.out(shtab.complete(options.whole, options.shell), highlight=False)
    return 0
