"""``alsatian completion``: what has a shell complete the command's words."""

import argparse
import shlex
from collections.abc import Iterator

from rich.console import Console

HELP = "print a script for a shell that completes commands and options, in bash also choices and studies"
SHELLS = ("bash", "zsh", "tcsh")
_SETTINGS, _STUDIES = "_alsatian_settings", "_alsatian_studies"
# A setting is one word to bash, or three where the equals sign parts words; of several values the last counts.
_BASH = """\
$settings() {
  local word="$$1" key="" before="" names="$groups"
  if [[ "$$word" == "=" ]]; then
    key="$${COMP_WORDS[COMP_CWORD-1]}" word=""
  elif [[ "$${COMP_WORDS[COMP_CWORD-1]}" == "=" ]]; then
    key="$${COMP_WORDS[COMP_CWORD-2]}"
  elif [[ "$$word" == *=* ]]; then
    key="$${word%%=*}" before="$${word%%=*}=" word="$${word#*=}"
  fi
  case "$$key" in
    "") compopt -o nospace 2>/dev/null ;;
$cases
    *) return ;;
  esac
  [[ "$$word" == *,* ]] && before+="$${word%,*}," word="$${word##*,}"
  compgen -P "$$before" -W "$$names" -- "$$word"
}
$studies() {
  compgen -W "$known" -- "$$1"
}
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "shell", metavar="SHELL", choices=SHELLS,
        help=f"{', '.join(SHELLS)}; for bash: alsatian completion bash > "
        "~/.local/share/bash-completion/completions/alsatian",
    )  # fmt: skip


def handle(options: argparse.Namespace, console: Console) -> int:
    """Print the script, with what there is to choose from now."""
    from alsatian.errors import ConfigError

    try:
        import shtab
    except ModuleNotFoundError:
        raise ConfigError("completion: needs shtab; pip install 'alsatian[completion]'") from None
    for action in _positional(options.whole):
        if function := {"overrides": _SETTINGS, "study": _STUDIES}.get(action.dest):
            action.complete = {"bash": function}  # type: ignore[attr-defined]
    functions = _bash() if options.shell == "bash" else ""
    console.out(shtab.complete(options.whole, options.shell, preamble=functions), highlight=False)
    return 0


def _bash() -> str:
    """The functions that complete settings, by the menu, and the names of studies."""
    from string import Template

    from experiments.commands.list import LISTS
    from experiments.configuration import menu
    from experiments.studies.study import studies

    there = {group: " ".join(map(shlex.quote, menu.choices(group))) for group in LISTS.values()}
    return Template(_BASH).substitute(
        settings=_SETTINGS,
        studies=_STUDIES,
        groups=" ".join(f"{group}=" for group in there),
        cases="\n".join(f'    {group}) names="{names}" ;;' for group, names in there.items()),
        known=" ".join(studies()),
    )


def _positional(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Words without an option, those of commands included."""
    for action in parser._get_positional_actions():
        yield action
        for below in (action.choices or {}).values() if isinstance(action, argparse._SubParsersAction) else ():
            yield from _positional(below)
