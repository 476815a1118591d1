"""A browser whose requests the airlock's application answers itself, in this process."""

from contextlib import contextmanager

from airlock.login import PREFIX
from tests.browser.chromium import PATIENCE, WIDE


@contextmanager
def windows(airlock, chromium):
    """Open a person's browser by their name, with scripts or without."""
    opened = []

    def window(name: str, *, scripts: bool = True):
        person = airlock.sign_in(name)
        context = chromium.new_context(viewport=WIDE, locale="en-GB", color_scheme="light", java_script_enabled=scripts)
        context.set_default_timeout(PATIENCE)
        context.route("**/*", lambda route: _answer(airlock, person, route))
        opened.append(context)
        return context.new_page()

    yield window
    for each in opened:
        each.close()


def see(airlock, page, path):
    """Go to a page of the airlock."""
    page.goto(f"{airlock.settings.airlock_origin}{PREFIX}{path}")
    return page


def _answer(airlock, person, route) -> None:
    asked = route.request
    headers = {
        "cookie": f"airlock={person.cookie}", "origin": airlock.settings.airlock_origin,
        "sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate",
        "content-type": asked.headers.get("content-type", ""),
    }  # fmt: skip
    path = "/" + asked.url.split("/", 3)[3].partition("#")[0]
    got = airlock.client.request(asked.method, path, headers=headers, content=asked.post_data_buffer)
    if got.is_redirect:
        got = airlock.client.get(got.headers["location"].partition("#")[0], headers=headers)
    route.fulfill(status=got.status_code, headers=dict(got.headers), body=got.content)
