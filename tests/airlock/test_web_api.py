"""The API: as much as the pages can, as little as they may, and described by the table it is made from."""

import jsonschema
import pytest
from starlette.routing import Route

from airlock import api
from airlock.app import LARGEST_BODY
from airlock.login import PREFIX
from tests.airlock.web import an_airlock
from tre.governance import projects

ROOM = "/room/v1/requests"


@pytest.fixture
def airlock(settings, now):
    with an_airlock(settings, now) as found:
        yield found


def _room(airlock, method, path="", *, person="ann", project="sunrise", body=None, bearer=None):
    bearer = bearer or airlock.settings.secret("rooms-airlock")
    headers = {"authorization": f"Bearer {bearer}", "x-tre-person": person, "x-tre-project": project}
    sent = {} if body is None else {"json": body}
    return airlock.client.request(method, ROOM + path, headers=headers, **sent)


# --- the description --------------------------------------------------------------------------------------------------
def test_every_call_is_described_and_every_description_is_a_call(airlock):
    described = {
        (method.upper(), path) for path, calls in api.document(airlock.settings)["paths"].items() for method in calls
    }
    served = {
        (method, route.path_format)
        for route in airlock.client.app.routes
        if isinstance(route, Route) and route.path.startswith((api.V1, api.ROOM))
        for method in route.methods - {"HEAD"}
    }
    assert described == served


def test_every_reference_in_the_description_leads_somewhere(airlock):
    document = api.document(airlock.settings)

    def references(part):
        if isinstance(part, dict):
            yield from ([part["$ref"]] if "$ref" in part else [])
            part = list(part.values())
        if isinstance(part, list):
            for each in part:
                yield from references(each)

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= known


def test_operations_have_names_of_their_own(airlock):
    paths = api.document(airlock.settings)["paths"].values()
    names = [call["operationId"] for calls in paths for call in calls.values()]
    assert len(set(names)) == len(names)


def test_the_description_is_served_for_machines_and_for_people(airlock):
    ann = airlock.sign_in("ann")
    assert ann.get("api/openapi.json").json()["openapi"] == "3.1.0"
    page = ann.get("api").text
    assert all(call.path.replace(":count", "") in page for call in api.CALLS)


def test_answers_are_as_described(airlock):
    ann, request = airlock.sign_in("ann"), airlock.in_review()
    document = api.document(airlock.settings)
    for path in ("requests", f"requests/{request}", f"requests/{request}/findings"):
        said = document["paths"][f"{api.V1}{path.replace(str(request), '{id}')}"]["get"]["responses"]["200"]
        schema = {**said["content"]["application/json"]["schema"], "components": document["components"]}
        jsonschema.Draft202012Validator(schema).validate(ann.call("GET", path).json())


# --- people's programs ------------------------------------------------------------------------------------------------
def test_a_request_travels_by_the_api_alone(airlock):
    airlock.lay("sunrise", "ann", table_csv=b"arm,n\nA,30\n")
    ann = airlock.sign_in("ann")
    made = ann.call("POST", "requests", {"project": "sunrise", "paths": ["table.csv"], "why": "for the paper"})
    assert (made.status_code, made.json()["state"]) == (201, "checking")
    at = made.json()["id"]
    airlock.checked(at)
    for name in ("bob", "cleo"):
        browser = airlock.sign_in(name)
        assert [row["id"] for row in browser.call("GET", "requests?list=queue").json()["requests"]] == [at]
        seen = browser.call("GET", f"requests/{at}").json()["manifest_sha256"]
        vote = {"verdict": "approve", "reason": "safe", "manifest_sha256": seen, "code": airlock.code(name)}
        assert browser.call("POST", f"requests/{at}/vote", vote).status_code == 200
    assert ann.call("GET", f"requests/{at}").json()["state"] == "approved"


def test_a_release_is_collected_by_the_api(airlock):
    ann, request = airlock.sign_in("ann"), airlock.released()
    link = ann.call("POST", f"requests/{request}/link").json()
    assert link["url"].endswith(link["token"])
    assert ann.call("POST", f"collect/{link['token']}").content.startswith(b"PK")
    assert ann.call("GET", f"requests/{request}/certificate").json()


def test_a_comment_and_a_withdrawal_by_the_api(airlock):
    ann, request = airlock.sign_in("ann"), airlock.in_review()
    said = ann.call("POST", f"requests/{request}/comments", {"text": "a word"})
    assert [comment["text"] for comment in said.json()["comments"]] == ["a word"]
    assert ann.call("POST", f"requests/{request}/withdraw").json()["state"] == "withdrawn"


def test_lists_show_what_they_are_named_for(airlock):
    request = airlock.in_review()
    for name, which, expected in (
        ("ann", "own", [request]), ("dan", "own", []), ("dan", "projects", [request]), ("bob", "queue", [request]),
        ("bob", "decided", []), ("ann", "queue", []), ("eve", "projects", []),
    ):  # fmt: skip
        found = airlock.sign_in(name).call("GET", f"requests?list={which}").json()["requests"]
        assert [row["id"] for row in found] == expected, (name, which)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"project": "sunrise", "paths": ["a.csv"]}, "why"),
        ({"project": "sunrise", "paths": [], "why": "x"}, "paths"),
        ({"project": "sunrise", "paths": ["a.csv"], "why": "x", "state": "released"}, "state"),
        ([], "body"),
    ],
)
def test_a_fault_names_the_field(airlock, body, place):
    answer = airlock.sign_in("ann").call("POST", "requests", body)
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(place)
    assert set(answer.json()) == {"error", "rules", "remedies"}


def test_a_body_that_is_not_json_is_refused(airlock):
    ann = airlock.sign_in("ann")
    answer = ann.post("api/v1/requests", {"project": "sunrise"})
    assert (answer.status_code, "JSON" in answer.json()["error"]) == (422, True)


def test_a_large_body_is_refused(airlock):
    body = {"project": "sunrise", "paths": ["a.csv"], "why": "x" * LARGEST_BODY}
    assert airlock.sign_in("ann").call("POST", "requests", body).status_code == 413


def test_without_a_session_the_api_says_so_and_redirects_nobody(airlock):
    answer = airlock.nobody().call("GET", "requests")
    assert (answer.status_code, answer.json()["remedies"]) == (401, [f"open {PREFIX} in a browser"])


# --- rooms ------------------------------------------------------------------------------------------------------------
def test_a_room_asks_lists_shows_and_withdraws(airlock):
    airlock.lay("sunrise", "ann", table_csv=b"arm,n\nA,30\n")
    made = _room(airlock, "POST", body={"paths": ["/outbox/table.csv"], "why": "for the paper"})
    assert made.status_code == 201
    said = made.json()
    assert {"id", "state", "why", "round", "files", "says", "url"} <= set(said)
    assert [row["id"] for row in _room(airlock, "GET").json()["requests"]] == [said["id"]]
    assert _room(airlock, "GET", f"/{said['id']}").json()["state"] == "checking"
    assert _room(airlock, "POST", f"/{said['id']}/withdraw").json()["state"] == "withdrawn"


def test_a_room_says_why_not(airlock):
    answer = _room(airlock, "POST", body={"paths": ["/outbox/none.csv"], "why": "for the paper"})
    assert answer.status_code == 404
    assert set(answer.json()) == {"error", "rules", "remedies"}


def test_a_room_knows_only_its_own_persons_requests_of_its_own_project(airlock):
    request = airlock.ask("ann", "sunrise")
    with airlock.records.act("olga", "member.add", "project/dusk") as session:
        projects.add_member(session, "dusk", "ann", actor="olga", now=airlock.clock())
    for person, project in (("dan", "sunrise"), ("ann", "dusk"), ("bob", "sunrise")):
        assert _room(airlock, "GET", f"/{request}", person=person, project=project).status_code == 404
        assert _room(airlock, "POST", f"/{request}/withdraw", person=person, project=project).status_code == 404
        assert _room(airlock, "GET", person=person, project=project).json()["requests"] == []


@pytest.mark.parametrize("bearer", ["wrong", "", "x" * 64])
def test_without_the_rooms_bearer_there_is_nothing(airlock, bearer):
    answer = airlock.client.get(ROOM, headers={"authorization": f"Bearer {bearer}", "x-tre-person": "ann"})
    assert answer.status_code == 401


def test_a_session_does_not_open_the_rooms_side(airlock):
    airlock.ask()
    assert airlock.sign_in("ann").get(ROOM).status_code == 401


@pytest.mark.parametrize(("person", "project"), [("", "sunrise"), ("ann", "../x"), ("Ann", "sunrise")])
def test_a_room_that_does_not_say_who_asks_is_refused(airlock, person, project):
    assert _room(airlock, "GET", person=person, project=project).status_code == 422


def test_a_vote_on_each_file_by_the_api(airlock):
    request = airlock.in_review(one_csv=b"arm,n\nA,30\nB,40\n", two_csv=b"arm,n\nA,50\nB,60\n")
    each = {"0": {"verdict": "approve"}, "1": {"verdict": "send_back", "reason": "merge the groups"}}
    for name in ("bob", "cleo"):
        vote = {
            "verdict": "each", "reason": "one of them", "manifest_sha256": airlock.digest(request), "files": each,
            "code": airlock.code(name),
        }  # fmt: skip
        person = airlock.sign_in(name)
        for wrong in ({"files": {}}, {"verdict": "approve"}, {"files": each | {"1": {"verdict": "reject"}}}):
            assert person.call("POST", f"requests/{request}/vote", vote | wrong).status_code == 422
        assert person.call("POST", f"requests/{request}/vote", vote).status_code == 200
    files = airlock.sign_in("ann").call("GET", f"requests/{request}").json()["files"]
    assert [file["state"] for file in files] == ["approved", "returned"]
