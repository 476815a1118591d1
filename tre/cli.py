"""The `tre` command: one word for each wing of the house.

`--home DIR` and `--json` are understood by every command, wherever they stand.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cyclopts import App, CycloptsError

from tre import __version__, show
from tre.errors import TREError, Unreadable

# command -> module that holds its `app`; imported only when asked for.
COMMANDS = {
    "init": "tre.commands",
}


def build() -> App:
    """All commands, each loaded only when it is called."""
    return App(name="tre", version=__version__, help=__doc__, result_action="return_value")


def run(app: App, words: Sequence[str]) -> int:
    """Run one command line; return its exit code."""
    try:
        rest = _common(list(words))
        code = app(rest, exit_on_error=False, print_error=False)
    except TREError as error:
        return show.fault(error)
    except CycloptsError as error:
        return show.fault(Unreadable(" ".join(str(error).split())))
    except KeyboardInterrupt:
        print("interrupted; nothing is half done, the same command goes on", file=sys.stderr)
        return 130
    return code if isinstance(code, int) else 0


def _common(words: list[str]) -> list[str]:
    """Take `--json` and `--home DIR` out, wherever they stand."""
    if "--json" in words:
        words.remove("--json")
        show.as_json.set(True)
    if "--home" in words:
        at = words.index("--home")
        if at + 1 == len(words):
            raise Unreadable("--home needs a folder")
        os.environ["TRE_HOME"] = str(Path(words[at + 1]).absolute())
        del words[at : at + 2]
    return words


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run(build(), sys.argv[1:]))
