"""The command ``alsatian``. Each of its commands is a module in :mod:`experiments.commands`."""

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules

import alsatian
from alsatian.errors import AlsatianError
from experiments import commands
from experiments.configuration.console import complain, plain

# A new command is one file there, with HELP and handle(options, console) -> exit status; configure(parser) declares
# arguments of its own, and OVERRIDES, the help on them, has it take the words of a configuration. What is slow is
# imported inside handle, so that every command starts as fast as it can.
COMMANDS = tuple(sorted(module.name for module in iter_modules(commands.__path__)))
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
EXAMPLES = """examples:
  alsatian run experiment=quickstart
  alsatian run strategy=shift batch_size=32
  alsatian run -m strategy=alsatian,shared_prefix cache.budget=4MiB,16MiB
  alsatian simulate experiment=quickstart hardware=a5000 model_set=synthetic_vit_l_32
  alsatian list strategies
  alsatian figures results/quickstart
  alsatian explain experiment=quickstart strategy=alsatian
  alsatian profile experiment=quickstart
  alsatian validate results
  alsatian store add ~/checkpoints
  alsatian overlap ~/checkpoints
  alsatian compare results/quickstart other/quickstart
  alsatian reproduce scale=laptop
  alsatian study orders --seeds 5
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 if all went well, 1 if not, 2 for bad usage."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.handle(options, plain())
        return status
    except AlsatianError as error:
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
            raise
        what = f"{error.filename}: " if error.filename else ""
        hint = "; what was there before is intact: make space, then do it again" if full else ""
        complain(f"alsatian: {what}{error.strerror}{hint}")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="alsatian",
        description="Find the best pretrained model to fine-tune from, and measure how.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"alsatian {alsatian.__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in COMMANDS:
        module = import_module(f"experiments.commands.{name}")
        command = subparsers.add_parser(name, help=module.HELP)
        if hasattr(module, "configure"):
            module.configure(command)
        if text := getattr(module, "OVERRIDES", ""):
            command.add_argument("-m", "--multirun", action="store_true", help="allow several values: key=a,b")
            command.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help=text)
        command.set_defaults(handle=module.handle)
    return parser


if __name__ == "__main__":
    sys.exit(main())
