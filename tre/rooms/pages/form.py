"""A form is read strictly: the fields that a page names and no other, each as text no longer than it may be."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tre.errors import Unreadable

MOST_VALUES = 400
KIND = "application/x-www-form-urlencoded"
SPACE, DELETE = 32, 127
"""Below the one, and at the other, lie ASCII's control characters."""


class Field(NamedTuple):
    """A field that a form may send."""

    name: str
    longest: int = 200
    lines: bool = False
    """It may hold several lines."""
    many: bool = False
    """It may be sent several times."""


class Sent(dict[str, Any]):
    """What a form sent: text for each field, a tuple of texts for one that may come several times."""

    faults: tuple[str, ...] = ()

    def sound(self) -> "Sent":
        """Return it, or say what in it cannot be taken. What was typed is kept either way."""
        if self.faults:
            raise Unreadable("; ".join(self.faults))
        return self


def read(kind: str, came: Mapping[str, list[bytes]], fields: tuple[Field, ...]) -> Sent:
    """Read what came; what no browser sends for this form is refused at once."""
    if kind.partition(";")[0].strip() != KIND and came:
        raise Unreadable("the form came in an encoding that this page does not read")
    if foreign := sorted(came.keys() - {field.name for field in fields} - {"_xsrf"}):
        raise Unreadable(f"the form has a field that this page does not know: {foreign[0][:40]!r}")
    if sum(map(len, came.values())) > MOST_VALUES:
        raise Unreadable(f"the form sends more than {MOST_VALUES} values")
    faults: list[str] = []
    sent = Sent({field.name: _values(field, came.get(field.name, []), faults) for field in fields})
    sent.faults = tuple(faults)
    return sent


def _values(field: Field, came: list[bytes], faults: list[str]) -> str | tuple[str, ...]:
    texts = tuple(_text(field, value, faults) for value in came)
    if field.many:
        return texts
    if len(texts) > 1:
        raise Unreadable(f"{field.name}: it was sent {len(texts)} times; send it once")
    return texts[0] if texts else ""


def _text(field: Field, value: bytes, faults: list[str]) -> str:
    try:
        text = value.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise Unreadable(f"{field.name}: this is not text in UTF-8") from None
    if len(text) > field.longest:
        faults.append(f"{field.name}: write at most {field.longest} characters; these are {len(text)}")
    flat = text.replace("\n", " ").replace("\t", " ") if field.lines else text
    if any(ord(each) < SPACE or ord(each) == DELETE for each in flat):
        faults.append(f"{field.name}: it holds characters that cannot be shown")
    return text
