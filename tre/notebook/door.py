"""A room has one door to the house: a Unix socket. Which socket it is says who calls, so no name and no key is sent."""

import http.client
import json
import socket
from collections.abc import Mapping
from pathlib import Path

from tre.notebook.errors import NoAnswer, Refused

SOCKET = Path("/run/tre/api/tre.sock")
SECONDS = 60


class _Door(http.client.HTTPConnection):
    """HTTP over the room's socket."""

    def connect(self) -> None:
        """Open the socket; `Host` is always localhost."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(SOCKET))


def ask(method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, object]:
    """Send one question to the house and return its answer, or raise its no."""
    door = _Door("localhost", timeout=SECONDS)
    try:
        text = None if body is None else json.dumps(body).encode()
        door.request(method, path, text, {"Content-Type": "application/json"})
        answer = door.getresponse()
        status, said = answer.status, answer.read()
    except (OSError, http.client.HTTPException) as fault:
        why = "it took too long" if isinstance(fault, TimeoutError) else "its door does not open"
        raise NoAnswer(f"the house does not answer ({why}): try again, or open the room again from the Hub") from None
    finally:
        door.close()
    return _read(status, said)


def _read(status: int, said: bytes) -> dict[str, object]:
    try:
        answer = json.loads(said)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise NoAnswer(f"the house answered {status} without words: try again, or ask its operator")
    if status < 400:  # noqa: PLR2004 -- HTTP
        return answer
    kind = NoAnswer if status >= 500 else Refused  # noqa: PLR2004 -- HTTP
    raise kind(str(answer.get("error", status)), rules=_words(answer, "rules"), remedies=_words(answer, "remedies"))


def _words(answer: Mapping[str, object], key: str) -> list[str]:
    words = answer.get(key)
    return [str(word) for word in words] if isinstance(words, list) else []
