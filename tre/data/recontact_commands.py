"""Finding a person again: somebody in the project asks, two approvers vote, the clinical contact alone is told."""

import subprocess
import sys
from pathlib import Path

from cyclopts import App

from tre import show
from tre.data import recontact, recontact_states
from tre.data.recontact_states import State
from tre.errors import Unreadable
from tre.governance.operator import As, Code, House, house

app = App(name="recontact", help="Finding the person behind a pseudonym, for those who treat them.")

KEY_FILE = 10_000


@app.command(name="contact")
def recontact_contact(dataset: str, /, *, public_key: Path) -> None:
    """Register the key of a dataset's clinical contact, who alone can open an answer."""
    try:
        with public_key.open("r", encoding="ascii") as file:
            key = file.read(KEY_FILE)
    except (OSError, UnicodeDecodeError):
        raise Unreadable(f"{public_key}: cannot be read as a key") from None
    with house() as at, at.records.act(at.actor, "recontact.contact", f"dataset/{dataset[:30]}") as session:
        found = recontact.set_contact(session, at.settings, dataset, key, actor=at.actor, now=at.now)
    show.one({"dataset": dataset, "key": found}, sentence=f"answers from {dataset} are sealed for the key {found[:16]}")


@app.command(name="request")
def recontact_request(project: str, dataset: str, pseudonym: str, /, *, reason: str, by: As, code: Code) -> None:
    """Ask that the person behind a pseudonym be found; whoever asks is not told who it is."""
    with house() as at:
        at.confirm(by, code, f"project/{project[:30]} request a re-contact")
        with at.records.act(by, "recontact.request", f"project/{project[:30]}") as session:
            number = recontact.request(
                session, at.settings, project, dataset, pseudonym, requester=by, reason=reason, now=at.now
            )
        _said(at, number)


@app.command(name="vote")
def recontact_vote(number: int, verdict: str, /, *, reason: str, by: As, code: Code) -> None:
    """Approve or reject a re-contact; two who approve decide, one who rejects does."""
    with house() as at:
        at.confirm(by, code, f"recontact/{number} {verdict[:20]}")
        with at.records.act(by, "recontact.vote", f"recontact/{number}") as session:
            recontact.vote(session, number, by, verdict, reason=reason, now=at.now)
        _said(at, number)


@app.command(name="answer")
def recontact_answer(number: int, /) -> int:
    """Find the person in a process of its own, which seals the answer for the clinical contact and shows nobody."""
    words = [sys.executable, "-m", "tre.data.recontact_answer", str(number)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 -- our own module
    if done.returncode:
        sys.stderr.write(done.stderr)
        return done.returncode
    with house() as at:
        _said(at, number)
    return 0


@app.command(name="list")
def recontact_list() -> None:
    """Show every re-contact: who asked for whom to be told, and where it stands."""
    with house() as at, at.records.read() as session:
        rows = [
            {
                "id": row.id,
                "project": row.project,
                "dataset": row.dataset,
                "requester": row.requester,
                "contact": row.contact,
                "state": recontact_states.words(State(row.state)),
                "asked_at": row.asked_at,
            }
            for row in recontact.listed(session)
        ]
    show.rows(rows, none="nobody asked yet: `tre recontact request PROJECT DATASET PSEUDONYM`")


def _said(at: House, number: int) -> None:
    with at.records.read() as session:
        row = recontact.get(session, number)
    state = State(row.state)
    where = recontact.answer_path(at.settings, number) if state is State.ANSWERED else None
    sentence = f"re-contact {number} is {recontact_states.words(state)}. {recontact_states.SAYS[state]}"
    record = {"id": number, "state": state.value, "contact": row.contact, "answer": str(where) if where else None}
    show.one(record, sentence=f"{sentence} It lies in {where}." if where else sentence)
