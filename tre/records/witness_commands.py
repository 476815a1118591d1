"""`tre audit witness`: what a witness does on its own machine, and what the house asks of it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cyclopts import App

from tre import settings, show
from tre.errors import NotFound, Refused, Tampered, Unavailable, Unreadable
from tre.records import cosigned, note, opening, witness
from tre.records.tables import WitnessRow

app = App(name="witness", help="Another machine that remembers how long the log was, and co-signs it.")
THERE = "on the witness's machine"
HERE = "in the house"


# --- on the witness's machine ---------------------------------------------------------------------------------------
@app.command(group=THERE)
def init(folder: Path, /, *, name: str) -> None:
    """Make a witness, and print its public key.

    Parameters
    ----------
    folder:
        where it keeps its key and what it knows; on another machine than the house, and in no backup of it
    name:
        what it is called, such as witness.hospital.example

    """
    try:
        key = witness.init(folder.absolute(), name)
    except note.BadNote as error:
        raise Unreadable(f"--name {name[:80]!r}: {error}") from None
    show.one({"folder": str(folder), "key": str(key)}, sentence=str(key))


@app.command(group=THERE)
def watch(folder: Path, log: Path, /) -> None:
    """Watch a log.

    Parameters
    ----------
    folder:
        the witness's folder
    log:
        file with the log's public key: what `tre audit key` prints

    """
    with _of_witness(folder):
        found = witness.watch(folder, opening.text(log))
    show.one({"log": found.name}, sentence=f"watching {found.name}")


@app.command(group=THERE)
def answer(folder: Path, request: Path, /) -> None:
    """Co-sign the checkpoint in a request that was carried here, and print it: carry that back.

    Parameters
    ----------
    folder:
        the witness's folder
    request:
        file that `tre audit witness ask --to` wrote

    """
    body = _carried(request)
    with _of_witness(folder):
        line = witness.cosign(folder, body, datetime.now(UTC))
    _print_signed(body, line)


@app.command(group=THERE)
def accept(folder: Path, request: Path, /, *, why: str) -> None:
    """Co-sign a log that was restored from a backup, and so is shorter than it was: only if you know why.

    Parameters
    ----------
    folder:
        the witness's folder
    request:
        file that `tre audit witness ask --to` wrote
    why:
        what happened, and who told you; it is kept beside what the witness knew before

    """
    if not why.strip():
        raise Unreadable("--why: say what happened")
    body = _carried(request)
    with _of_witness(folder):
        line = witness.accept(folder, body, why, datetime.now(UTC))
    _print_signed(body, line)


@app.command(group=THERE)
def last(folder: Path, /) -> None:
    """Print the last checkpoint of each log that this witness co-signed: verify the log against it.

    Parameters
    ----------
    folder:
        the witness's folder

    """
    with _of_witness(folder):
        notes = [found for log in witness.logs(folder) if (found := witness.last(folder, log.name))]
    show.one({"notes": notes}, sentence="\n".join(notes).rstrip("\n") or "it has co-signed nothing yet")


@app.command(group=THERE)
def serve(folder: Path, /, *, host: str = "127.0.0.1", port: int = 8010) -> None:
    """Answer over HTTP until interrupted (C2SP tlog-witness).

    Parameters
    ----------
    folder:
        the witness's folder
    host:
        address to listen on; nothing secret passes, and every request is signed by the log
    port:
        port to listen on

    """
    from tre.records import witness_service

    with _of_witness(folder):
        key = witness.public_key(folder)
    print(f"{key}\nlistening on {host}:{port}", file=sys.stderr, flush=True)
    witness_service.serve(folder, host, port)


# --- in the house -----------------------------------------------------------------------------------------------------
@app.command(group=HERE)
def trust(key: Path, /, *, url: str = "") -> None:
    """Have a witness co-sign the log.

    Parameters
    ----------
    key:
        file with its public key: what `tre audit witness init` printed there
    url:
        where it listens; without it, requests are carried by files

    """
    with opening.records() as (records, _), records.act(opening.operator(), "audit.witness.trust", "audit") as session:
        name = cosigned.trust(session, opening.text(key), url=url, actor=opening.operator(), now=datetime.now(UTC))
    show.one({"witness": name}, sentence=f"{name} co-signs the log; give it the first line of `tre audit key`")


@app.command(group=HERE)
def drop(name: str, /) -> None:
    """Ask a witness no more.

    Parameters
    ----------
    name:
        what it is called

    """
    actor = opening.operator()
    with opening.records() as (records, _), records.act(actor, "audit.witness.drop", cosigned.subject(name)) as session:
        cosigned.drop(session, name, actor=actor, now=datetime.now(UTC))
    show.one({"witness": name}, sentence=f"{name} is asked no more")


@app.command(group=HERE)
def ask(name: str, /, *, to: Path | None = None, since: int | None = None) -> None:
    """Ask for a co-signature under the newest checkpoint, over HTTP or by a file to carry there.

    Parameters
    ----------
    name:
        what the witness is called
    to:
        file to write the request into; without it, the witness is asked where it listens
    since:
        how many entries the witness says it has co-signed, where this house does not know

    """
    with opening.records() as (records, chosen):
        if to is None:
            size = cosigned.ask(records, chosen, name, now=datetime.now(UTC))
            show.one({"witness": name, "entries": size}, sentence=f"{name} co-signed {size} entries")
            return
        with records.read() as session:
            wanted = cosigned.request(session, chosen, cosigned.row_of(session, name), since=since)
    try:
        to.write_text(witness.written(wanted), "utf-8")
    except OSError as error:
        raise Unreadable(f"{to}: {error.strerror}") from None
    show.one({"request": str(to)}, sentence=f"carry {to} to {name}, and bring back what it answers")


@app.command(group=HERE)
def take(signed: Path, /) -> None:
    """Take what a witness co-signed.

    Parameters
    ----------
    signed:
        file with what `tre audit witness answer` printed

    """
    with opening.records() as (records, chosen):
        found = cosigned.take(records, chosen, opening.text(signed), now=datetime.now(UTC))
    said = "; ".join(f"{name} co-signed {size} entries" for name, size in found.items())
    show.one({"entries": found}, sentence=said)


@app.command(name="list", group=HERE)
def list_() -> None:
    """Show the witnesses, and how far each has co-signed the log."""
    with opening.records() as (records, chosen), records.read() as session:
        rows = [_shown(chosen, row) for row in cosigned.witnesses(session)]
    show.rows(rows, none="no witness: whoever holds this machine could write the log anew (`tre audit witness trust`)")


def _shown(chosen: settings.Settings, row: WitnessRow) -> dict[str, object]:
    found = cosigned.reached(chosen, row)
    at = found.at.isoformat(timespec="seconds") if found.at else ""
    return {"name": row.name, "entries": found.size, "at": at, "asked": row.url or "by files", "trouble": row.trouble}


@contextmanager
def _of_witness(folder: Path) -> Iterator[None]:
    """Say in one line what is wrong with the witness's own files."""
    if not (folder / witness.KEY).is_file():
        raise NotFound(f"{folder} is no witness: make one with `tre audit witness init`")
    try:
        yield
    except witness.NotAsked as no:
        if no.proves:
            raise Tampered(f"{no}; what was refused is kept in {folder}") from None
        raise Refused(str(no) if no.size is None else f"{no}: `tre audit witness ask --since {no.size}`") from None
    except note.BadNote as error:
        raise Unreadable(str(error)) from None
    except OSError as error:
        raise Unavailable(f"{folder}: {error.strerror}") from None


def _carried(request: Path) -> bytes:
    try:
        return request.read_bytes()[: witness.LONGEST + 1]
    except OSError as error:
        raise Unreadable(f"{request}: {error.strerror}") from None


def _print_signed(body: bytes, line: str) -> None:
    signed = note.with_lines(witness.read(body).note, line)
    show.one({"note": signed}, sentence=signed.rstrip("\n"))
