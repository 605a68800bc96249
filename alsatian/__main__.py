"""The command ``alsatian``, also as ``python -m alsatian``."""

import sys
from pathlib import Path


def home() -> Path:
    """The folder of ``analysis``, ``baselines``, ``conf`` and ``experiments``: the checkout, or the wheel's own."""
    package = Path(__file__).parent
    installed = package / "_harness"
    return installed if installed.is_dir() else package.parent


def main() -> int:
    """Run the command line; see :func:`experiments.cli.main`.

    The harness's packages have common names, so they are looked for in their own folder before anybody else's.
    """
    sys.path.insert(0, str(home()))
    from experiments.cli import main as command

    return command()


if __name__ == "__main__":
    sys.exit(main())
