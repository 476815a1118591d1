"""A result leaves a room only when two people outside have looked at it; in here one asks, follows and takes back."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tre.notebook import shown
from tre.notebook.door import ask
from tre.notebook.errors import Refused

OUTBOX = Path("/outbox")
BESIDE = ".about.json"
HEADS = ("request", "state", "why", "files", "what next")

Paths = str | Path | Iterable[str | Path]


@dataclass(frozen=True)
class Request:
    """One export request as the airlock sees it now."""

    id: int
    state: str
    why: str
    round: int
    files: tuple[Mapping[str, object], ...]
    says: str
    url: str

    @property
    def findings(self) -> tuple[str, ...]:
        """What the checks pointed at, one line each."""
        return tuple(_finding(str(file["name"]), each) for file in self.files for each in _listed(file, "findings"))

    def __repr__(self) -> str:
        """Say in a few lines where the request is."""
        head = f"request {self.id} is {self.state} (round {self.round}): {self.says}"
        return "\n".join([head, *(f"  - {each}" for each in self.findings), self.url])

    def _repr_html_(self) -> str:
        rows = [(file["name"], file["kind"], shown.size(_number(file, "size"))) for file in self.files]
        points = [("", "", each) for each in self.findings]
        heads = (f"request {self.id}", self.state, f"round {self.round}")
        return shown.html(heads, [*rows, *points], below=f"{self.says} {self.url}")


class Requests(tuple[Request, ...]):
    """The export requests of this person in this project, shown as a table."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Show a table in a terminal."""
        return shown.text(HEADS, self._rows()) if self else "you have asked for nothing to leave yet"

    def _repr_html_(self) -> str:
        return shown.html(HEADS, self._rows()) if self else "<p>you have asked for nothing to leave yet</p>"

    def _rows(self) -> list[tuple[object, ...]]:
        return [
            (each.id, each.state, each.why, ", ".join(str(file["name"]) for file in each.files), each.says)
            for each in self
        ]


@dataclass(frozen=True)
class Meter:
    """How much of this project's room has been sent to the person's browser, and how much may be."""

    hour_bytes: int
    hour_limit: int
    day_bytes: int
    day_limit: int
    notices: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Say it in one line, and each notice of the house in one more."""
        hour = f"{shown.size(self.hour_bytes)} of {shown.size(self.hour_limit)} this hour"
        day = f"{shown.size(self.day_bytes)} of {shown.size(self.day_limit)} today"
        return "\n".join([f"shown to you: {hour}, {day}", *self.notices])


def request_export(paths: Paths, *, why: str) -> Request:
    """Ask for files of /outbox to leave, and say why. They are copied now: what you change later stays here.

    What `describe` wrote down beside a file goes with it.
    """
    return _request(ask("POST", "/v1/requests", _sent(paths, why)))


def status(number: int | None = None) -> Requests:
    """Show your export requests of this project, or the one with this number."""
    if number is not None:
        return Requests([_request(ask("GET", f"/v1/requests/{int(number)}"))])
    return Requests(_request(one) for one in _listed(ask("GET", "/v1/requests"), "requests"))


def resubmit(number: int, paths: Paths, *, why: str) -> Request:
    """Hand in a returned request again with these files."""
    return _request(ask("POST", f"/v1/requests/{int(number)}/resubmit", _sent(paths, why)))


def withdraw(number: int) -> Request:
    """Take a request back; nothing of it leaves."""
    return _request(ask("POST", f"/v1/requests/{int(number)}/withdraw", {}))


def meter() -> Meter:
    """Tell how much has been shown to you of this project, and what the house has to say."""
    said = ask("GET", "/v1/me")
    counts = said.get("meter")
    read = counts if isinstance(counts, dict) else {}
    notices = said.get("notices")
    return Meter(
        hour_bytes=_number(read, "hour_bytes"),
        hour_limit=_number(read, "hour_limit"),
        day_bytes=_number(read, "day_bytes"),
        day_limit=_number(read, "day_limit"),
        notices=tuple(str(each) for each in notices) if isinstance(notices, list) else (),
    )


def beside(path: str | Path) -> Path:
    """Return where the description of a file of /outbox lies, or say why there is no such file."""
    return OUTBOX / f"{_path(path)}{BESIDE}"


def _sent(paths: Paths, why: str) -> dict[str, object]:
    names = _in_outbox(paths)
    about = {name: said for name in names if (said := _about(name))}
    return {"paths": names, "why": _reason(why), **({"about": about} if about else {})}


def _about(name: str) -> dict[str, object]:
    try:
        said = json.loads((OUTBOX / f"{name}{BESIDE}").read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        raise Refused(f"{name}{BESIDE} cannot be read", remedies=["write it again with tre.describe(...)"]) from None
    return said if isinstance(said, dict) else {}


def _in_outbox(paths: Paths) -> list[str]:
    """Return the paths as the airlock wants them, or say at once what it would say later."""
    given = [paths] if isinstance(paths, (str, Path)) else list(paths)
    if not given:
        raise Refused("no file named: name at least one file of /outbox")
    return [_path(path) for path in given]


def _path(given: str | Path) -> str:
    name = PurePosixPath(os.fspath(given))
    path = OUTBOX / name
    if ".." in name.parts or not path.is_relative_to(OUTBOX):
        raise Refused(f"{name} is not in /outbox", remedies=[f"copy it there: shutil.copy({str(name)!r}, '/outbox/')"])
    if path.is_dir():
        raise Refused(f"{path} is a folder", remedies=["name its files one by one"])
    if not path.exists():
        there = Path(name).exists()
        remedy = f"copy it there: shutil.copy({str(name)!r}, '/outbox/')" if there else "write it there first"
        raise Refused(f"there is no {path}", remedies=[remedy])
    return str(path.relative_to(OUTBOX))


def _reason(why: str) -> str:
    if not why.strip():
        raise Refused("say why the files should leave: the people who look at them cannot ask you first")
    return why.strip()


def _request(said: Mapping[str, object]) -> Request:
    return Request(
        id=_number(said, "id"),
        state=str(said["state"]),
        why=str(said["why"]),
        round=_number(said, "round"),
        files=tuple(_listed(said, "files")),
        says=str(said["says"]),
        url=str(said["url"]),
    )


def _listed(said: Mapping[str, object], key: str) -> list[dict[str, object]]:
    found = said.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _number(said: Mapping[str, object], key: str) -> int:
    value = said.get(key, 0)
    return value if isinstance(value, int) else 0


def _finding(name: str, said: Mapping[str, object]) -> str:
    place = f", {said['where']}" if said.get("where") else ""
    fix = f" ({said['fix']})" if said.get("fix") else ""
    return f"{said.get('severity', 'note')}: {name}{place}: {said.get('message', '')}{fix}"
