import json
import stat
import subprocess
import sys
from datetime import timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import HOST, rules_only
from tests.tre.data import found, linked, made
from tests.tre.data.test_commands import tre  # noqa: F401 -- a fixture
from tre.data import linkage, recontact
from tre.data.deid.pseudonyms import PatientId, keys_of, pseudonym, whose
from tre.data.recontact_answer import answer
from tre.data.recontact_states import FIRST, SAYS, STEPS, By, State, mermaid, take
from tre.errors import NotFound, Refused, StepRefused, Unreadable
from tre.governance import accounts, projects
from tre.records import db
from tre.records.tables import EntryRow


def the(settings, at, project="sunrise", epoch=1):
    return pseudonym(PatientId(f"hospital:p{at}"), keys_of(settings, project, epoch=epoch).pseudonym)


# --- states -----------------------------------------------------------------------------------------------------------
@given(st.lists(st.tuples(st.sampled_from(["approve", "reject", "answer", "close"]), st.sampled_from(By)), max_size=20))
def test_an_answer_has_an_approval_behind_it(clicks):
    state, history = FIRST, []
    for verb, by in clicks:
        try:
            state = take(verb, state, by)
        except StepRefused:
            continue
        history.append((verb, by))
    if state is State.ANSWERED:
        assert history == [("approve", By.APPROVERS), ("answer", By.SYSTEM)]


def test_every_state_says_what_follows_and_is_drawn():
    assert set(SAYS) == set(State)
    assert all(f"{step.source.name} --> {step.target.name}: {step.verb}" in mermaid() for step in STEPS)


# --- from asking to being told ----------------------------------------------------------------------------------------
def test_the_clinical_contact_alone_is_told_every_number_of_the_person(records, settings, now, tmp_path):
    private = found.a_world(records, settings, now, tmp_path)
    number = found.ask(records, settings, now, the(settings, 7))
    assert found.vote(records, now, number, "carol") is State.IN_REVIEW
    assert found.vote(records, now, number, "dave") is State.APPROVED
    assert answer(records, settings, number, actor=HOST, now=now) is State.ANSWERED
    said = json.loads(found.opened(settings, number, private))
    assert said["ids"] == [
        {"system": "ehr", "type": "mrn", "value": "507"},
        {"system": "pacs", "type": "patient", "value": "508"},
    ]
    assert (said["pseudonym"], said["project"], said["reason"]) == (the(settings, 7), "sunrise", "a finding")
    place = recontact.answer_path(settings, number)
    assert stat.S_IMODE(place.stat().st_mode) == 0o400
    assert b"507" not in place.read_bytes()
    assert [path.name for path in place.parent.iterdir() if path.suffix] == [place.name]


@rules_only
def test_what_is_recorded_names_nobody(records, settings, now, tmp_path):
    found.a_world(records, settings, now, tmp_path)
    number = found.an_approved(records, settings, now, the(settings, 7))
    answer(records, settings, number, actor=HOST, now=now)
    with records.read() as session:
        bodies = [row.body.decode() for row in session.query(EntryRow).order_by(EntryRow.seq)]
    mine = [body for body in bodies if '"recontact' in body]
    assert [json.loads(body)["act"] for body in mine if '"subject":"recontact/' in body] == [
        "recontact.request", "recontact.vote", "recontact.vote", "recontact.answer",
    ]  # fmt: skip
    assert not [body for body in mine if the(settings, 7) in body or '"507"' in body or "hospital:p7" in body]


def test_one_no_is_enough(records, settings, now, tmp_path):
    found.a_world(records, settings, now, tmp_path)
    number = found.ask(records, settings, now, the(settings, 7))
    assert found.vote(records, now, number, "carol", "reject") is State.REJECTED
    with pytest.raises(StepRefused, match="cannot approve a re-contact that is rejected"):
        found.vote(records, now, number, "dave")
    with pytest.raises(StepRefused, match="cannot answer a re-contact that is rejected"):
        answer(records, settings, number, actor=HOST, now=now)


@rules_only
def test_a_person_of_a_dataset_with_its_own_table_is_found(records, settings, now, tmp_path):
    made.an_extract(records, settings, now, tmp_path)
    found.approvers(records, settings, now)
    private = found.a_contact(records, settings, now)
    who = pseudonym(PatientId("40070"), keys_of(settings, "sunrise").pseudonym)
    number = found.an_approved(records, settings, now, who)
    assert answer(records, settings, number, actor=HOST, now=now) is State.ANSWERED
    assert json.loads(found.opened(settings, number, private))["ids"] == [
        {"system": "trial", "type": "subject", "value": "40070"}
    ]


@rules_only
def test_a_pseudonym_from_before_a_merge_and_before_new_keys_is_found(records, settings, now, tmp_path):
    private = found.a_world(records, settings, now, tmp_path)
    linked.load(records, settings, now, tmp_path, [*linked.ids(), ("subject", "subject", "p7", "p8")])
    with records.act(HOST, "project.rotate", "project/sunrise") as session:
        projects.rotate(session, "sunrise", why="a list was lost", actor=HOST, now=now)
    number = found.an_approved(records, settings, now, the(settings, 7))
    assert answer(records, settings, number, actor=HOST, now=now) is State.ANSWERED
    ids = json.loads(found.opened(settings, number, private))["ids"]
    assert {one["value"] for one in ids} == {"507", "508", "509"}


def test_whoever_withdrew_is_not_found(records, settings, now, tmp_path):
    found.a_world(records, settings, now, tmp_path)
    number = found.an_approved(records, settings, now, the(settings, 7))
    linkage.withdraw(records, settings, "hospital", ("ehr", "mrn", "507"), reason="x", actor=HOST, now=now)
    assert answer(records, settings, number, actor=HOST, now=now) is State.CLOSED
    assert not recontact.answer_path(settings, number).exists()


def test_a_project_asks_a_few_times_a_day(records, settings, now, tmp_path):
    found.a_world(records, settings, now, tmp_path)
    for at in range(recontact.A_DAY):
        found.ask(records, settings, now, the(settings, at))
    with pytest.raises(Refused, match="ask tomorrow"):
        found.ask(records, settings, now + timedelta(hours=23), the(settings, 9))
    found.ask(records, settings, now + timedelta(hours=25), the(settings, 9))


@rules_only
def test_without_a_contact_nobody_asks(records, settings, now, tmp_path):
    linked.an_extract(records, settings, now, tmp_path)
    with pytest.raises(Refused, match="no clinical contact"):
        found.ask(records, settings, now, the(settings, 7))


@rules_only
def test_an_answer_needs_approvers_who_still_may(records, settings, now, tmp_path):
    found.a_world(records, settings, now, tmp_path)
    number = found.an_approved(records, settings, now, the(settings, 7))
    with records.act(HOST, "person.suspend", "person/dave") as session:
        accounts.suspend(session, "dave", why="left", actor=HOST, now=now)
    with pytest.raises(StepRefused, match="no longer the votes of 2"):
        answer(records, settings, number, actor=HOST, now=now)


@rules_only
@pytest.mark.parametrize(
    "key",
    [
        "",
        "x",
        f"{recontact.HEAD}\nAAAA\n{recontact.TAIL}",
        f"{recontact.HEAD}\n{'A' * 43}=\n{recontact.TAIL}",
        "-----BEGIN CRYPT4GH PRIVATE KEY-----\nx\n-----END CRYPT4GH PRIVATE KEY-----",
    ],
)
def test_what_is_no_public_key_is_not_registered(records, settings, now, tmp_path, key):
    linked.load(records, settings, now, tmp_path)
    made.register(records, now, plan=linked.PLAN)
    with pytest.raises(Unreadable), records.act(HOST, "recontact.contact", "dataset/trial") as session:
        recontact.set_contact(session, settings, "trial", key, actor=HOST, now=now)


@rules_only
def test_what_is_not_there_is_not_found(records, settings, now):
    with pytest.raises(NotFound), records.read() as session:
        recontact.get(session, 7)


def test_forward_over_all_finds_one_and_only_the_whole_name():
    subjects = pa.array([f"hospital:p{at}" for at in range(1000)])
    name = pseudonym(PatientId("hospital:p777"), b"k" * 32)
    assert whose(name, subjects, b"k" * 32) == "hospital:p777"
    assert whose(name, subjects, b"l" * 32) is None
    assert whose(name[:-1] + ("A" if name[-1] != "A" else "B"), subjects, b"k" * 32) is None


# --- commands ---------------------------------------------------------------------------------------------------------
def test_by_commands_the_terminal_shows_nobody(tre, settings, tmp_path, monkeypatch):  # noqa: F811
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    records = db.opened(settings)
    found.a_world(records, settings, now, tmp_path)
    private = found.a_contact(records, settings, now)
    (tmp_path / "key.pub").write_text(found.public_key(private))

    def code(name):
        with records.read() as session:
            return accounts.code_now(session, settings, name, datetime.now(UTC))

    assert tre("recontact", "contact", "trial", "--public-key", tmp_path / "key.pub")[0] == 0
    who = ("--as", "ann-sunrise", "--code", code("ann-sunrise"))
    got, said, complaint = tre(
        "recontact", "request", "sunrise", "trial", the(settings, 7), "--reason", "a finding", *who
    )
    assert (got, complaint) == (0, "")
    for name in found.APPROVERS:
        got, said, complaint = tre(
            "recontact", "vote", "1", "approve", "--reason", "it helps", "--as", name, "--code", code(name)
        )
        assert (got, complaint) == (0, "")
    got, said, complaint = tre("recontact", "answer", "1")
    assert (got, complaint) == (0, "")
    assert said.startswith("re-contact 1 is answered. The answer is sealed for the clinical contact")
    assert "507" not in said
    assert {one["value"] for one in json.loads(found.opened(settings, 1, private))["ids"]} == {"507", "508"}
    (listed,) = json.loads(tre("recontact", "list", "--json")[1])
    assert (listed["state"], listed["requester"]) == ("answered", "ann-sunrise")
    assert tre("recontact", "answer", "1")[0] == 3
    assert tre("recontact", "vote", "1", "approve", "--reason", "x", "--as", "carol", "--code", "000000")[0] == 3
    records.close()


def test_the_process_takes_a_number_and_nothing_else(settings):
    words = [sys.executable, "-m", "tre.data.recontact_answer", "1; ls"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={"TRE_HOME": str(settings.home)})
    assert (done.returncode, done.stdout) == (5, "")
