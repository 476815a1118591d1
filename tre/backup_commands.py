"""`tre backup` and `tre restore`: the house on another disk, and back on a bare machine."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tre import backup, restoring, settings, show
from tre.records import opening, verify

app = App(name="backup", help="The house on another disk.")


@app.default
def make(to: Path, /, *, recipient: Annotated[list[Path], Parameter(negative="")]) -> None:
    """Write a backup of the whole house into a new folder, while it runs.

    Parameters
    ----------
    to:
        a folder that is not there yet; hand it to restic or borg, which encrypt and deduplicate, and remove it
    recipient:
        file with a public key that `tre backup key` printed; may be given again for another

    """
    chosen = settings.load()
    with show.progress("copying") as ticks:
        made = backup.make(
            chosen,
            to,
            [opening.text(one) for one in recipient],
            actor=opening.operator(),
            now=datetime.now(UTC),
            ticks=ticks,
        )
    left = f"; {made.left_out} sockets and pipes left out" if made.left_out else ""
    sentence = f"{made.files} files, {made.bytes:,} bytes and a log of {made.entries} entries in {to}{left}"
    show.one({"folder": str(to), **made._asdict()}, sentence=sentence)


@app.command
def key(to: Path, /) -> None:
    """Make the key that opens backups, on a machine that is kept offline; print its public half.

    Parameters
    ----------
    to:
        file for the private key; without it no backup can be restored

    """
    public = backup.new_key(to)
    show.one({"private": str(to), "public": public}, sentence=public.rstrip())


def restore(
    source: Path,
    /,
    *,
    key: Path,
    house: Path | None = None,
    kept: Annotated[Path | None, Parameter(name="--checkpoint")] = None,
    accept_loss: str = "",
) -> None:
    """Make a home of a backup, on a machine that has none. Every file and the whole log are verified first.

    Parameters
    ----------
    source:
        folder that `tre backup` wrote
    key:
        file that `tre backup key` wrote
    house:
        file with what `tre audit key` printed long ago: the backup must be of this house
    kept:
        file with a checkpoint that you kept, or a witness's last: the log must hold all it was signed over
    accept_loss:
        why a backup that ends before that checkpoint must do; the reason is written into the log

    """
    chosen = settings.load()
    with show.progress("restoring") as ticks:
        report = restoring.restore(
            chosen,
            source,
            opening.text(key),
            house=opening.text(house) if house else "",
            kept={f"the kept {kept.name}": opening.text(kept)} if kept else {},
            accept_loss=accept_loss,
            actor=opening.operator(),
            now=datetime.now(UTC),
            ticks=ticks,
        )
    said = "\n".join(verify.told(report, trusted=True))
    show.one(
        {"home": str(chosen.home), "entries": report.size}, sentence=f"{said}\n{chosen.home} is restored: `tre doctor`"
    )
