"""A room's page is a stranger's page: it may run in its own room, and may speak to nobody else."""

from collections.abc import Mapping
from urllib.parse import urlsplit

# To the room: nothing that says who asks, or from where.
TO_ROOM = ("Accept", "Accept-Language", "Content-Type", "User-Agent")
# From the room: what a browser needs to read the body.
FROM_ROOM = ("Content-Type", "Last-Modified")
LONGEST_VALUE = 1024
REDIRECTS = range(300, 400)


def policy(origin: str, prefix: str) -> str:
    """Return the Content-Security-Policy under which a room's page runs: its own path, and nothing else."""
    here = f"{origin}{prefix}"
    socket = "ws" + here.removeprefix("http")
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {here} 'unsafe-inline' 'unsafe-eval' blob:",
            f"style-src {here} 'unsafe-inline'",
            f"img-src {here} data: blob:",
            f"font-src {here} data: blob:",
            f"connect-src {here} {socket}",
            f"worker-src {here} blob:",
            f"frame-src {here} blob:",
            f"form-action {here}",
            f"base-uri {here}",
            "frame-ancestors 'self'",
        )
    )


def guards(origin: str, prefix: str) -> dict[str, str]:
    """Return the headers that the gateway sets on every answer, whatever the room says."""
    return {
        "Content-Security-Policy": policy(origin, prefix),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Origin-Agent-Cluster": "?1",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


def to_room(given: Mapping[str, str]) -> dict[str, str]:
    """Return the headers a room may see."""
    kept = {name: given[name] for name in TO_ROOM if name in given}
    return {**kept, "Host": "localhost", "Accept-Encoding": "identity"}


def from_room(status: int, given: Mapping[str, str], prefix: str) -> dict[str, str] | None:
    """Return the headers of a room that a browser may see; None if it tries to send the browser elsewhere."""
    kept = {name: given[name] for name in FROM_ROOM if name in given and len(given[name]) <= LONGEST_VALUE}
    if status in REDIRECTS and "Location" in given:
        if not stays(given["Location"], prefix):
            return None
        kept["Location"] = given["Location"]
    return kept


def stays(location: str, prefix: str) -> bool:
    """Tell whether a redirect leads to a plain path of the same room."""
    if len(location) > LONGEST_VALUE or any(sign in location for sign in "\\%") or not location.isprintable():
        return False
    path = urlsplit(location).path
    return location.startswith(prefix) and ".." not in path.split("/") and "//" not in path
