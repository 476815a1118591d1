"""`python -m tre.host` makes ready what the house stands on: engine, image, proxy. `make setup` calls it."""

import sys
import time

from tre import settings
from tre.errors import TREError
from tre.host import engine, image, proxy

USAGE = "usage: python -m tre.host ensure | stop"


def main(words: list[str]) -> int:
    """Do one of two things, and say each step."""
    if words not in (["ensure"], ["stop"]):
        print(USAGE, file=sys.stderr)
        return 5
    try:
        given = settings.load()
        if words == ["stop"]:
            print("engine: stopped" if engine.stop(given) else "engine: ours does not run")
            return 0
        began = time.monotonic()
        image.ensure(given, _say, load=engine.ensure_if_possible(given, _say))
        proxy.ensure(given, _say)
    except TREError as error:
        print(f"unavailable: {error}", file=sys.stderr)
        return error.exit_code
    print(f"host: ready after {time.monotonic() - began:.0f} s")
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
