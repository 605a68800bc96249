"""What there is to choose from, in the words of the configuration files."""

from importlib import resources

from experiments.config import MODULE, choices


def describe(group: str) -> list[tuple[str, str]]:
    """Name and first comment of every choice of a config group."""
    return [(name, _first_comment(group, name)) for name in choices(group)]


def _first_comment(group: str, name: str) -> str:
    text = resources.files(MODULE).joinpath(group, f"{name}.yaml").read_text()
    for line in text.splitlines():
        if line.startswith("# ") and not line.startswith("# @package"):
            return line.removeprefix("# ")
    return ""
