"""`tre init` makes the home; `tre audit` shows the log, proves it, and takes it out of the house."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
from cyclopts import App, Parameter
from sqlalchemy import select

from tre import settings, show
from tre.errors import NotFound, Tampered, Unreadable
from tre.records import checkpoint, cosigned, export, note, opening, schema, verify, witness_commands
from tre.records.db import Records
from tre.records.tables import CheckpointRow, EntryRow
from tre.settings import Settings

audit = App(name="audit", help="What happened here, and the proof of it.")
audit.command(witness_commands.app)


def init() -> None:
    """Make the home: folders, keys, secrets, database. What is there already stays as it is."""
    chosen = settings.load()
    schema.initialise(chosen)
    key = checkpoint.note_key(chosen)
    show.one(
        {"home": str(chosen.home), "key": key},
        sentence=f"home {chosen.home} is ready; give the log's public key to whoever will verify it:\n{key}",
    )


@audit.command(name="list")
def list_(*, act: str = "", actor: str = "", subject: str = "", last: int = 50) -> None:
    """Show the newest entries.

    Parameters
    ----------
    act:
        only this act, e.g. export.vote; a wing with a dot (`export.`) takes all of its acts
    actor:
        only what this person or process did
    subject:
        only what was done to this, e.g. project/sunrise
    last:
        how many

    """
    if last < 1:
        raise Unreadable(f"--last {last}: ask for at least 1 entry")
    asked = select(EntryRow.body).order_by(EntryRow.seq.desc()).limit(last)
    if act:
        asked = asked.where(EntryRow.act.startswith(act, autoescape=True) if act.endswith(".") else EntryRow.act == act)
    if actor:
        asked = asked.where(EntryRow.actor == actor)
    if subject:
        asked = asked.where(EntryRow.subject == subject)
    with opening.records() as (records, _), records.read() as session:
        found = [orjson.loads(body) for body in session.scalars(asked)]
    show.rows([_line(entry) for entry in reversed(found)], none="no such entries")


@audit.command(name="verify")
def verify_(
    folder: Path | None = None,
    /,
    *,
    kept: Annotated[Path | None, Parameter(name="--checkpoint")] = None,
    key: Path | None = None,
    witness: Path | None = None,
) -> None:
    """Prove that no entry was changed or removed: of an exported folder, or of the records themselves.

    Parameters
    ----------
    folder:
        what `tre audit export` wrote; without it, this TRE's records
    kept:
        file with a checkpoint that you kept: the log must still hold all it was signed over
    key:
        file with the log's public key, as you were given it
    witness:
        file with a witness's public key: it must have co-signed the log

    """
    notes = {f"the kept {kept.name}": opening.text(kept)} if kept else {}
    line = opening.text(key) if key else ""
    try:
        by = [note.verifier(opening.text(witness), kind=note.COSIGNER)] if witness else []
        report = verify.folder(folder, key=line, kept=notes, witnesses=by) if folder else _of_records(line, notes, by)
    except (verify.NotALog, note.BadNote) as error:
        raise Unreadable(str(error)) from None
    trusted = bool(key) or folder is None
    said = {**report.__dict__, "key_trusted": trusted, "faults": [fault._asdict() for fault in report.faults]}
    show.one(said, sentence="\n".join(verify.told(report, trusted=trusted)))
    if report.faults:
        raise Tampered(f"{report.faults[0].what}; keep this log as it is, and compare it with its backups")


@audit.command(name="export")
def export_(folder: Path, /) -> None:
    """Write the log, its checkpoints and its public key into a new folder, signed as of now.

    Parameters
    ----------
    folder:
        a folder that is not there yet

    """
    with opening.records() as (records, chosen):
        _signed(records, chosen)
        with records.read() as session:
            count = export.write(session, folder, checkpoint.note_key(chosen), cosigned.kept(session, chosen))
    show.one({"folder": str(folder), "entries": count}, sentence=f"{count} entries in {folder}")


@audit.command(name="checkpoint")
def checkpoint_() -> None:
    """Sign the log as it is, and print the newest checkpoint: keep it somewhere else."""
    with opening.records() as (records, chosen):
        signed = _signed(records, chosen)
    show.one({"checkpoint": signed}, sentence=signed.rstrip("\n"))


@audit.command
def key() -> None:
    """Print the public keys that prove checkpoints (one line) and certificates (PEM): hand them out early."""
    chosen = settings.load()
    line, pem = checkpoint.note_key(chosen), checkpoint.public_key(chosen)
    show.one({"checkpoints": line, "certificates": pem}, sentence=f"{line}\n{pem.rstrip()}")


def _of_records(line: str, notes: Mapping[str, str], by: Sequence[note.Verifier]) -> verify.Report:
    with opening.records() as (records, chosen), records.read() as session:
        seen = {f"what a witness co-signed ({at})": text for at, text in enumerate(cosigned.kept(session, chosen), 1)}
        return export.examine(session, line or checkpoint.note_key(chosen), {**seen, **notes}, by)


def _signed(records: Records, chosen: Settings) -> str:
    """Sign what was added since the last checkpoint; return the newest one."""
    actor = opening.operator()
    with records.act(actor, "audit.checkpoint", "audit/log") as session:
        signed = checkpoint.sign(session, chosen, datetime.now(UTC), actor=actor)
        newest = select(CheckpointRow.note).order_by(CheckpointRow.size.desc()).limit(1)
        found = signed or session.scalars(newest).one_or_none()
    if found is None:
        raise NotFound("nothing happened yet, so there is nothing to sign")
    return found


def _line(entry: dict[str, Any]) -> dict[str, object]:
    """Give an entry as it is shown: whole to machines, to the second to people."""
    if show.as_json.get():
        return entry
    facts = ", ".join(f"{name} {json.dumps(value, ensure_ascii=False)}" for name, value in entry["facts"].items())
    shown = {name: entry[name] for name in ("seq", "at", "actor", "act", "subject")}
    return {**shown, "at": entry["at"][:19].replace("T", " "), "facts": facts}
