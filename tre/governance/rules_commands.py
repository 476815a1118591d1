"""`tre policy propose`, `adopt`, `refuse`, `rules`: other rules come into force by two admins, and by nothing else."""

from pathlib import Path

from policies import book
from tre import show
from tre.governance import proposals, rulebook
from tre.governance.operator import As, Code, house
from tre.records.tables import RulebookRow


def propose(folder: Path | None = None, /, *, package: bool = False, why: str, by: As, code: Code) -> None:
    """Propose the rules of a folder (cedar/*.cedar, rules.toml, ...), or with --package those of this version."""
    files = proposals.read(folder) if folder and not package else book.bundle()
    if folder is None and not package:
        raise proposals.nothing_named()
    proposals.fitting(files)
    with house() as at:
        at.confirm(by, code, proposals.confirms(rulebook.digest(files), "propose"))
        with at.records.act(by, "rules.propose", "rules") as session:
            row = proposals.propose(session, files, why=why, actor=by, now=at.now)
    show.one(_said(row), sentence=f"rules {row.number} wait for another admin: `tre policy adopt {row.number}`")


def adopt(number: int, /, *, by: As, code: Code) -> None:
    """Make proposed rules those in force; what the code confirms is their SHA-256."""
    with house() as at:
        with at.records.read() as session:
            seen = proposals.get(session, number).sha256
        at.confirm(by, code, proposals.confirms(seen, "adopt"))
        with at.records.act(by, "rules.adopt", f"rules/{number}") as session:
            row = proposals.adopt(session, number, actor=by, seen=seen, now=at.now)
    show.one(_said(row), sentence=f"rules {number} are in force (SHA-256 {seen[:12]})")


def refuse(number: int, /, *, by: As, code: Code) -> None:
    """Turn proposed rules down."""
    with house() as at:
        with at.records.read() as session:
            seen = proposals.get(session, number).sha256
        at.confirm(by, code, proposals.confirms(seen, "refuse"))
        with at.records.act(by, "rules.refuse", f"rules/{number}") as session:
            row = proposals.refuse(session, number, actor=by, now=at.now)
    show.one(_said(row), sentence=f"rules {number} are refused")


def rules(number: int | None = None, /) -> None:
    """Every set of rules there was; or of one, what it changes."""
    with house() as at, at.records.read() as session:
        if number is None:
            show.rows([_said(row) for row in proposals.listed(session)], none="no rules: run `tre init`")
            return
        row = proposals.get(session, number)
        lines = proposals.difference(session, row)
    changed = "\n".join(lines) or "nothing changes"
    show.one(_said(row) | {"difference": list(lines)}, sentence=f"rules {number}, {row.state}: {row.why}\n\n{changed}")


def _said(row: RulebookRow) -> dict[str, object]:
    return {
        "number": row.number,
        "state": row.state,
        "sha256": row.sha256,
        "proposed_by": row.proposed_by,
        "settled_by": row.settled_by,
        "why": row.why,
    }
