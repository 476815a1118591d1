"""One person of the committee lets a file go on although a check said no: by name, with a reason, on its page."""

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from airlock import exceptions, queries
from airlock.pages.page import field, go, house, visitor
from airlock.pages.show import Problem, number, page
from tre.errors import NotFound, TREError, Unreadable
from tre.governance import accounts


def grant(request: Request, sent: FormData) -> Response:
    """Except one check of one file, from the request's page."""
    at = number(request)
    filled = {name: field(sent, name) for name in ("file", "check", "exception")}
    try:
        _grant(request, at, filled, seen=field(sent, "seen"), code=field(sent, "code"))
    except NotFound:
        raise
    except TREError as error:
        return page(request, at, problem=Problem.of(error), filled=filled)
    return go(f"requests/{at}#file-{filled['file']}")


def _grant(request: Request, at: int, filled: dict[str, str], *, seen: str, code: str) -> None:
    """Use up the code for exactly this exception. What is plainly wrong is said before a code is spent."""
    here, who, now = house(request), visitor(request), house(request).clock()
    with here.records.read() as session:
        queries.detail(session, at, who.name, now=now)
    position, check = _position(filled["file"]), filled["check"]
    if not filled["exception"].strip():
        raise Unreadable(
            "reason: write a sentence; it stands beside the finding, under your name, and in the certificate"
        )
    purpose = f"export/{at} except {check[:40]} {seen[:64]}"
    accounts.check_code(here.records, here.settings, who.name, code, now=now, purpose=purpose)
    with here.records.act(who.name, "export.except", f"export/{at}") as session:
        exceptions.grant(
            session, request=at, person=who.name, position=position, check=check, reason=filled["exception"],
            seen=seen, second_factor=True, now=now,
        )  # fmt: skip


def _position(given: str) -> int:
    if not given.isascii() or not given.isdigit() or len(given) > 4:  # noqa: PLR2004 -- more files there are not
        raise Unreadable("file: choose one of the request")
    return int(given)
