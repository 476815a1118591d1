"""Attempts on the airlock's pages: from other sites, with old or foreign sessions, and with hostile files."""

import json
from html.parser import HTMLParser

import pytest

from airlock import login, staging
from airlock.api import API, CALLS
from airlock.pages.page import PREFIX
from airlock.tables import FileRow
from tests.airlock.web import PNG, Browser, an_airlock
from tests.builders import PASSWORD
from tre.governance import accounts, projects
from tre.records import audit

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)><svg onload=alert(1)>"


@pytest.fixture
def airlock(settings, now):
    with an_airlock(settings, now) as found:
        yield found


class Tags(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, page):
        super().__init__()
        self.seen, self.attributes = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        self.attributes += [name for name, _ in attrs]


def _harmless(answer):
    """No script but ours, no handler, no frame, and a policy that would run nothing else anyway."""
    tags = Tags(answer.text)
    scripts = [attrs.get("src", "") for tag, attrs in tags.seen if tag == "script"]
    assert all(src.startswith(f"{PREFIX}static/") for src in scripts)
    assert not {"iframe", "object", "embed", "base", "style", "svg"} & {tag for tag, _ in tags.seen}
    assert not [name for name in tags.attributes if name.startswith("on")]
    assert all(attrs["src"].startswith(PREFIX) for tag, attrs in tags.seen if tag == "img")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


# --- from another site ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://sunrise--ann.localhost:8000", "sec_fetch_site": "same-site"},
        {"origin": "https://evil.example", "sec_fetch_site": "cross-site"},
        {"origin": "null", "sec_fetch_site": "same-site"},
        {"origin": "null", "sec_fetch_site": "same-origin"},
        {"origin": None},
        {"origin": None, "sec_fetch_site": None},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "none"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["requests/{}/withdraw", "api/v1/requests/{}/withdraw", "logout"])
def test_a_post_that_no_page_of_ours_made_changes_nothing(airlock, headers, path):
    ann, request = airlock.sign_in("ann"), airlock.ask()
    assert ann.post(path.format(request), **headers).status_code == 403
    assert ann.call("GET", f"requests/{request}").json()["state"] == "checking"


def test_under_tls_a_post_without_sec_fetch_site_is_refused(settings, now):
    with an_airlock(settings.model_copy(update={"scheme": "https"}), now) as airlock:
        ann, request = airlock.sign_in("ann"), airlock.ask()
        cookie = f"__Host-airlock={ann.cookie}"
        answer = ann.post(f"requests/{request}/withdraw", cookie=cookie, sec_fetch_site=None)
        assert answer.status_code == 403
        assert ann.post(f"requests/{request}/withdraw", cookie=cookie).status_code == 303


@pytest.mark.parametrize("mode", ["cors", "no-cors", None])
def test_another_site_reads_nothing_by_script(airlock, mode):
    answer = airlock.sign_in("ann").get("api/v1/requests", sec_fetch_site="same-site", sec_fetch_mode=mode)
    assert answer.status_code == 403


def test_a_page_cannot_be_framed_or_reached_by_its_opener(airlock):
    headers = airlock.sign_in("ann").get().headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("host", ["localhost:8000", "sunrise--ann.localhost", "evil.example", "127.0.0.1"])
def test_another_host_name_gets_no_page(airlock, host):
    assert airlock.sign_in("ann").get(host=host).status_code == 421


# --- sessions ---------------------------------------------------------------------------------------------------------
def test_a_session_number_that_was_planted_is_never_used(airlock):
    planted = "planted-number"
    answer = airlock.client.get(PREFIX, headers={"cookie": f"airlock={planted}"})
    place = airlock.hub.authorize(answer.headers["location"], "ann")
    state = answer.headers["set-cookie"].split(";")[0]
    answer = airlock.client.get(
        place.removeprefix(airlock.settings.airlock_origin), headers={"cookie": f"airlock={planted}; {state}"}
    )
    given = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("airlock="))
    assert planted not in given
    assert Browser(airlock, "ann", planted).get().status_code == 302


@pytest.mark.parametrize("later", [{"minutes": 31}, {"hours": 8}, {"days": 30}])
def test_an_ended_session_changes_nothing(airlock, later):
    ann, request = airlock.sign_in("ann"), airlock.ask()
    airlock.clock.later(**later)
    assert ann.post(f"requests/{request}/withdraw").status_code == 401


@pytest.mark.parametrize("cookie", ["", "x", "a" * 5000, "%00", "../../x"])
def test_an_invented_session_is_none(airlock, cookie):
    assert Browser(airlock, "", cookie).get().status_code == 302


def test_the_wanted_page_cannot_lead_to_another_site(airlock):
    for path in ("//evil.example/x", f"{PREFIX}/../../evil", "https://evil.example"):
        answer = airlock.client.get(path, headers={"sec-fetch-mode": "navigate"})
        assert answer.status_code in {302, 404, 421}
        assert not answer.headers.get("location", "").startswith(("//", "https://evil"))


PAGES = (
    "", "api", "collect/x", "nothing-of-the-kind", "requests/new", "requests/1", "requests/1/again",
    "requests/1/certificate", "requests/1/standing", "requests/1/rounds/1/files/0",
    "requests/1/rounds/1/files/0/picture",
)  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_shown_without_a_session(airlock, path):
    airlock.released()
    assert airlock.nobody().get(path).status_code == 302


def test_no_call_is_answered_without_a_session(airlock):
    for call in CALLS:
        if call.path.startswith(API):
            answer = airlock.nobody()._send(call.method, call.path.replace("{id:count}", "1"), {})
            assert answer.status_code == 401, call


# --- votes ------------------------------------------------------------------------------------------------------------
def test_a_vote_needs_a_code(airlock):
    bob, request = airlock.sign_in("bob"), airlock.in_review()
    for code in ("", "123", "abcdef"):
        assert bob.post(f"requests/{request}/vote", airlock.ballot(request, "bob", code=code)).status_code == 403
    assert airlock.acts().count("export.vote") == 0


def test_a_used_code_votes_no_second_time(airlock):
    bob, first, second = airlock.sign_in("bob"), airlock.in_review(), airlock.in_review()
    ballot = airlock.ballot(first, "bob")
    assert bob.post(f"requests/{first}/vote", ballot).status_code == 303
    again = {**ballot, "seen": airlock.digest(second)}
    assert bob.post(f"requests/{second}/vote", again).status_code == 403
    assert airlock.acts().count("export.vote") == 1


def test_the_sign_in_code_does_not_vote(airlock):
    bob, request = airlock.sign_in("bob"), airlock.in_review()
    code = airlock.code("bob")
    assert accounts.sign_in(airlock.records, airlock.settings, "bob", PASSWORD, code, now=airlock.clock())
    assert bob.post(f"requests/{request}/vote", airlock.ballot(request, "bob") | {"code": code}).status_code == 403


def test_guessing_codes_locks_the_voter(airlock):
    bob, request = airlock.sign_in("bob"), airlock.in_review()
    ballot = airlock.ballot(request, "bob")
    for guess in range(8):
        bob.post(f"requests/{request}/vote", {**ballot, "code": f"{guess:06}"})
    assert bob.post(f"requests/{request}/vote", ballot).status_code == 403


@pytest.mark.parametrize(("name", "status"), [("dan", 403), ("ann", 403), ("eve", 404), ("olga", 404)])
def test_only_an_approver_votes_by_the_api(airlock, name, status):
    request = airlock.in_review()
    vote = {"verdict": "approve", "reason": "x", "manifest_sha256": airlock.digest(request), "code": airlock.code(name)}
    answer = airlock.sign_in(name).call("POST", f"requests/{request}/vote", vote)
    assert answer.status_code == status
    assert "export.vote" not in airlock.acts()


def test_an_approver_who_was_once_in_the_project_does_not_vote(airlock):
    request = airlock.in_review()
    with airlock.records.act("olga", "member.add", "project/sunrise") as session:
        projects.add_member(session, "sunrise", "finn", actor="olga", now=airlock.clock())
    airlock.clock.later(seconds=1)
    with airlock.records.act("olga", "member.remove", "project/sunrise") as session:
        projects.remove_member(session, "sunrise", "finn", actor="olga", now=airlock.clock())
    answer = airlock.sign_in("finn").post(f"requests/{request}/vote", airlock.ballot(request, "finn"))
    assert answer.status_code in {403, 404}
    assert "export.vote" not in airlock.acts()


def test_a_vote_on_files_that_are_not_on_the_table_is_refused(airlock):
    bob, request = airlock.sign_in("bob"), airlock.in_review()
    for seen in ("0" * 64, "", airlock.digest(airlock.in_review(other_csv=b"n\n50\n"))):
        answer = bob.post(f"requests/{request}/vote", airlock.ballot(request, "bob", seen=seen))
        assert answer.status_code == 403
    assert "export.vote" not in airlock.acts()


# --- what is not yours ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["", "/standing", "/certificate", "/rounds/1/files/0", "/rounds/1/files/0/picture"])
def test_a_foreign_request_looks_exactly_like_none(airlock, path):
    request = airlock.released()
    eve = airlock.sign_in("eve")
    foreign, none = eve.get(f"requests/{request}{path}"), eve.get(f"requests/{request + 1}{path}")
    assert foreign.status_code == none.status_code == 404
    assert foreign.text.replace(f"requests/{request}", "").replace(f"request {request}", "") == none.text.replace(
        f"requests/{request + 1}", ""
    ).replace(f"request {request + 1}", "")


@pytest.mark.parametrize("call", ["withdraw", "link", "resubmit", "comments"])
def test_a_foreign_request_cannot_be_changed_by_the_api(airlock, call):
    request, eve = airlock.released(), airlock.sign_in("eve")
    body = {"resubmit": {"paths": ["x"], "why": "x"}, "comments": {"text": "x"}}.get(call)
    foreign = eve.call("POST", f"requests/{request}/{call}", body)
    none = eve.call("POST", f"requests/{request + 1}/{call}", body)
    assert foreign.status_code == none.status_code == 404
    assert foreign.json()["error"].replace(str(request), "") == none.json()["error"].replace(str(request + 1), "")


def test_a_link_in_other_hands_gives_nothing_and_stays_good(airlock):
    ann, request = airlock.sign_in("ann"), airlock.released()
    link = ann.post(f"requests/{request}/link").headers["location"]
    for name in ("dan", "bob", "eve"):
        assert airlock.sign_in(name).post(link).status_code == 403
    assert ann.post(link).status_code == 200


def test_only_the_author_makes_a_link(airlock):
    request = airlock.released()
    for name in ("dan", "bob", "eve", "olga"):
        assert airlock.sign_in(name).post(f"requests/{request}/link").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "requests/1/rounds/1/files/../../../../records.sqlite",
        "requests/1/rounds/1/files/..%2f..%2fkeys%2froot.key",
        "requests/1/rounds/1/files/table.csv",
        "requests/1/rounds/1/files/-1",
        "requests/1/rounds/1/files/99",
        "requests/1/rounds/2/files/0",
        "requests/1/rounds/1/files/999999999999999",
        "static/../app.py",
        "static/..%2fapp.py",
        "static/%2e%2e/app.py",
        "static//etc/passwd",
    ],
)
def test_a_path_leads_to_nothing_but_what_it_names(airlock, path):
    airlock.in_review()
    assert airlock.sign_in("bob").get(path).status_code == 404


@pytest.mark.parametrize("paths", [["../../../keys/root.key"], ["/etc/passwd"], ["a\x00.csv"], ["x" * 300], [""]])
def test_a_form_takes_nothing_from_outside_the_outbox(airlock, paths):
    airlock.lay("sunrise", "ann", table_csv=b"n\n30\n")
    answer = airlock.sign_in("ann").post("requests/new", {"project": "sunrise", "paths": paths, "why": "x"})
    assert answer.status_code in {403, 404, 422}
    assert "export.submit" not in airlock.acts()


# --- hostile content --------------------------------------------------------------------------------------------------
OUTPUT = {"data": {"text/html": SCRIPT}}
HOSTILE = {
    "table_csv": f'a,"{SCRIPT}"\n"{SCRIPT}",3\n'.replace("=", "&#61;=").encode(),
    "text_md": f"# {SCRIPT}\n[x](javascript:alert(1))\n<iframe src=https://evil.example></iframe>".encode(),
    "text_txt": SCRIPT.encode(),
    "data_json": json.dumps({"x": SCRIPT}).encode(),
    "book_ipynb": json.dumps(
        {"cells": [{"cell_type": SCRIPT, "source": [SCRIPT], "metadata": {}, "outputs": [OUTPUT]}],
         "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    ).encode(),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_file_holds_is_shown_and_never_run(airlock, name):
    request = airlock.in_review(**{name: HOSTILE[name]})
    answer = airlock.sign_in("bob").get(f"requests/{request}/rounds/1/files/0")
    assert answer.status_code == 200
    assert "&lt;script&gt;" in answer.text
    _harmless(answer)


def test_what_a_file_is_called_and_what_people_write_is_text(airlock):
    airlock.settings.outbox("sunrise", "ann").mkdir(parents=True)
    ann, name = airlock.sign_in("ann"), "<img src=x onerror=alert(1)>'\".csv"
    airlock.settings.outbox("sunrise", "ann").joinpath(name).write_bytes(b"n\n30\n")
    _harmless(ann.get("requests/new"))
    answer = ann.post("requests/new", {"project": "sunrise", "paths": [name], "why": SCRIPT})
    request = airlock.checked(int(answer.headers["location"].rpartition("/")[2]))
    ann.post(f"requests/{request}/comment", {"text": SCRIPT})
    for path in ("", f"requests/{request}", f"requests/{request}/rounds/1/files/0", f"requests/{request}/standing"):
        _harmless(airlock.sign_in("bob").get(path))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plot_png", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
        ("plot_png", b"<html><script>alert(1)</script>"),
        ("table_csv", b"a\n1\n"),
        ("notes_txt", SCRIPT.encode()),
    ],
)
def test_nothing_but_a_picture_is_sent_as_a_picture(airlock, name, content):
    request = _taken_for(airlock, airlock.ask(table_csv=b"n\n30\n"), name, content)
    answer = airlock.sign_in("ann").get(f"requests/{request}/rounds/1/files/0/picture")
    assert answer.status_code == 404
    _harmless(answer)


def _taken_for(airlock, request, name, content):
    """As if such bytes had passed for what their name says: the page looks again at what it sends."""
    with airlock.records.act("host/test", "test.build", f"export/{request}") as session:
        row = session.get(FileRow, (request, 1, 0))
        row.kind, row.sha256 = name.rpartition("_")[2], staging.keep(airlock.settings, content)
        audit.append(session, "test.build", actor="host/test", subject=f"export/{request}")
    return request


def test_a_picture_opened_by_itself_is_in_a_sandbox(airlock):
    request = airlock.in_review(plot_png=PNG + b"<script>alert(1)</script>")
    headers = airlock.sign_in("bob").get(f"requests/{request}/rounds/1/files/0/picture").headers
    assert headers["content-security-policy"] == "default-src 'none'; sandbox; frame-ancestors 'none'"
    assert headers["content-type"] == "image/png"
    assert headers["x-content-type-options"] == "nosniff"


def test_signs_that_cannot_be_seen_are_spelt_out(airlock):
    request = airlock.in_review(notes_txt="safe\u202egpj.exe\u200b end".encode())
    page = airlock.sign_in("bob").get(f"requests/{request}/rounds/1/files/0").text
    assert "U+202E" in page
    assert "U+200B" in page
    assert "\u202e" not in page


def test_bytes_that_changed_in_the_store_are_not_shown(airlock):
    request = airlock.in_review()
    for place in airlock.settings.released.rglob("*"):
        if place.is_file() and len(place.name) == 64:
            place.chmod(0o600)
            place.write_bytes(b"arm,n\nA,99\n")
    answer = airlock.sign_in("bob").get(f"requests/{request}/rounds/1/files/0")
    assert answer.status_code == 500
    assert "99" not in answer.text


def test_a_hub_token_is_on_no_page_and_in_no_answer(airlock):
    request = airlock.released()
    ann = airlock.sign_in("ann")
    for path in ("", f"requests/{request}", "api", "api/openapi.json", f"api/v1/requests/{request}"):
        text = ann.get(path).text
        assert not any(token in text for token in airlock.hub.tokens)
        assert ann.cookie not in text


def test_the_cookie_is_not_in_the_records(airlock):
    ann = airlock.sign_in("ann")
    assert login.cookie_name(airlock.settings) == "airlock"
    with airlock.records.engine.connect() as connection:
        dump = "".join(str(row) for row in connection.exec_driver_sql("SELECT * FROM web_session"))
    assert ann.cookie not in dump
