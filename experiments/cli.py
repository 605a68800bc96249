"""The command ``alsatian``. Each of its commands is a module below :mod:`experiments.commands`."""

import argparse
import errno
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from importlib import import_module
from pkgutil import walk_packages
from typing import Any, NoReturn

import alsatian
from alsatian.errors import AlsatianError, nearest, told
from experiments import commands
from experiments.configuration import menu, plugins
from experiments.configuration.console import Volume, add_flags, complain, plain, speaking

# A new command is one file there, or in the folder of those about models, with HELP and
# handle(options, console) -> exit status; configure(parser) declares arguments of its own, and OVERRIDES, the
# help on them, has it take the words of a configuration. What is slow is imported inside handle, so that every
# command starts as fast as it can.
COMMANDS = {
    module.name.rpartition(".")[2]: module.name
    for module in walk_packages(commands.__path__, f"{commands.__name__}.")
    if not module.ispkg
}
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_OWN = f"{plugins.KEY}=FOLDER adds choices of your own"
EXAMPLES = """examples:
  alsatian search ~/checkpoints --data ~/images
  alsatian inspect ~/checkpoints/resnet.pth
  alsatian run experiment=quickstart
  alsatian run strategy=shift batch_size=32
  alsatian run -m strategy=alsatian,shared_prefix cache.budget=4MiB,16MiB
  alsatian simulate experiment=quickstart hardware=a5000 model_set=synthetic_vit_l_32
  alsatian list strategies
  alsatian config experiment=quickstart
  alsatian run -m plugins=. strategy=base,patient,alsatian
  alsatian figures results/quickstart
  alsatian explain experiment=quickstart strategy=alsatian
  alsatian profile experiment=quickstart
  alsatian check strategy=shift
  alsatian validate results
  alsatian store add ~/checkpoints
  alsatian overlap ~/checkpoints
  alsatian compare results/quickstart other/quickstart
  alsatian reproduce scale=laptop
  alsatian groundtruth experiment=quickstart
  alsatian study orders --seeds 5
"""


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with a command line, and what would be right."""

    def error(self, message: str) -> NoReturn:
        """End with status 2."""
        complain(f"{self.prog}: {message}; see {self.prog} --help")
        sys.exit(2)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        what, word = str(action.metavar or action.dest).lower(), str(value)
        hint = nearest(word, action.choices)
        if what == "command" and (setting := _as_setting(word)):
            hint = f"did you mean 'alsatian run {setting}'?"
        raise argparse.ArgumentError(None, f"'{word}': there is no such {what}; {hint}")

    def options(self) -> Iterator[str]:
        """Names of all options, those of actions below included."""
        for action in self._actions:
            yield from action.option_strings
            if isinstance(action, argparse._SubParsersAction):
                for below in action.choices.values():
                    yield from below.options()


def _as_setting(word: str) -> str | None:
    """The setting that ``word`` is, or the experiment that it names; None for anything else."""
    if "=" in word:
        return word
    return f"experiment={word}" if word in menu.choices("experiment") else None


class Line(Parser):
    """The whole line: settings may stand on both sides of an option, and nothing may be left over."""

    def parse_known_args(self, *given: Any) -> tuple[argparse.Namespace, list[str]]:  # type: ignore[override]
        """What is given, and nothing that is not known; ends with status 2 if there is."""
        options, rest = super().parse_known_args(*given)
        if hasattr(options, "overrides"):
            options.overrides += [word for word in rest if not word.startswith("-")]
            rest = [word for word in rest if word.startswith("-")]
        if rest and rest[0].startswith("-"):
            valid = set(options.parser.options())
            hint = nearest(rest[0], valid)
            if rest[0] in valid:
                hint = f"it belongs behind the command, as in 'alsatian {options.command} {rest[0]}'"
            options.parser.error(f"'{rest[0]}': there is no such option here; {hint}")
        if rest:
            options.parser.error(f"'{rest[0]}': is one word too many")
        return options, []


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 if all went well, 1 if not, 2 for bad usage."""
    folders, words = plugins.taken(sys.argv[1:] if arguments is None else arguments)
    options = argparse.Namespace(traceback="--traceback" in words)
    try:
        with plugins.used(folders):
            options = _parser().parse_args(words)
            if hasattr(options, "overrides"):  # what is recorded of a command says what it takes to give it again
                options.overrides += plugins.as_words()
            options.traceback |= options.volume is Volume.VERBOSE
            with speaking(options.volume):
                status: int = options.handle(options, plain())
        return status
    except AlsatianError as error:
        if options.traceback:
            complain(traceback.format_exc())
        complain(f"alsatian: {error}")
        return 1
    except KeyboardInterrupt:
        complain("alsatian: interrupted; the same command continues")
        return 130
    except BrokenPipeError:
        # The reader of the output has left; nothing that is still to be written has a reader.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        # A folder for output that is none, a full disk: what the system says is what there is to say.
        full = error.errno in _DISK_FULL
        if error.filename is None and not full:
            return _unexpected(error, options)
        what = f"{error.filename}: " if error.filename else ""
        hint = "; what was there before is intact: make space, then do it again" if full else ""
        complain(f"alsatian: {what}{error.strerror}{hint}")
        return 1
    except Exception as error:
        return _unexpected(error, options)


def _unexpected(error: Exception, options: argparse.Namespace) -> int:
    """Say what nobody meant for people."""
    if options.traceback:
        complain("".join(traceback.format_exception(error)))
    complain(f"alsatian: {told(error)}" + "; --traceback shows all of it" * (not options.traceback))
    return 1


def _parser() -> Line:
    parser = Line(
        prog="alsatian",
        description="Find the model to fine-tune from, and measure how.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"alsatian {alsatian.__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    for name in sorted(COMMANDS):
        module = import_module(COMMANDS[name])
        command = subparsers.add_parser(name, help=module.HELP)
        if hasattr(module, "configure"):
            module.configure(command)
        if text := getattr(module, "OVERRIDES", ""):
            command.add_argument("-m", "--multirun", action="store_true", help="allow several values: key=a,b")
            command.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help=f"{text}; {_OWN}")
        add_flags(command)
        command.set_defaults(handle=module.handle, command=name, parser=command, whole=parser, volume=Volume.USUAL)
    return parser


if __name__ == "__main__":
    sys.exit(main())
