"""Text is read by the character sets that the file names; what they cannot read is marked, never guessed."""

import warnings

from pydicom.charset import convert_encodings, decode_bytes, python_encoding

from tre.data.deid.dicom.parse import Image

CHARSET = 0x00080005
_DELIMITERS = set(b"\\^=\r\n\t\f")
UNREADABLE = "�"


def known(value: bytes) -> bool:
    """Say whether each character set is one of the standard's (PS3.3, C.12.1.1.2)."""
    return all(part.strip(" \0") in python_encoding for part in value.decode("ascii", "replace").split("\\"))


def of(image: Image) -> list[str]:
    """Return the encodings of an image's text."""
    value = image.get(CHARSET)
    return (
        convert_encodings([part.strip() for part in value.decode("ascii").split("\\")]) if known(value) else ["ascii"]
    )


def decoded(value: bytes, encodings: list[str]) -> str:
    """Return text; what cannot be read is marked."""
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the library guesses, and warns
        try:
            return decode_bytes(value, encodings, _DELIMITERS)
        except (UnicodeError, LookupError, UserWarning):
            return value.decode("ascii", "replace")
