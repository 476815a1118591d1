"""What every command of the log needs: the records of this home, who asks, and the text of a file."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tre import settings
from tre.errors import Unreadable
from tre.records.db import Records, opened
from tre.settings import Settings


@contextmanager
def records() -> Iterator[tuple[Records, Settings]]:
    """Open the records of this home for as long as a command runs."""
    chosen = settings.load()
    found = opened(chosen)
    try:
        yield found, chosen
    finally:
        found.close()


def operator() -> str:
    """Name who works at the host's command line."""
    return f"host/{pwd.getpwuid(os.getuid()).pw_name}"


def text(path: Path) -> str:
    """Read a file of text."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeError) as error:
        raise Unreadable(f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from None
