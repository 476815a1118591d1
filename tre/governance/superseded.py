"""An extract from before a person withdrew still holds them: whoever works with it is told, and a new one is made."""

import json
from collections.abc import Iterator

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tre.records.tables import ExtractRow, RoomRow, WithdrawalRow


def by_withdrawal(session: Session, row: ExtractRow) -> bool:
    """Say whether somebody who may be in an extract withdrew after it was made."""
    since = (
        select(func.count())
        .select_from(WithdrawalRow)
        .where(WithdrawalRow.at > row.prepared_at, WithdrawalRow.dataset.in_(["", row.dataset]))
    )
    linkage = json.loads(row.manifest).get("linkage")
    if linkage:
        since = since.where(WithdrawalRow.linkage == linkage)
    return bool(session.scalar(since))


def mounted(session: Session, project: str, person: str) -> str:
    """Return JSON of what the open room of a person in a project has mounted."""
    asked = (
        select(RoomRow)
        .where(RoomRow.person == person, RoomRow.project == project, RoomRow.closed_at.is_(None))
        .order_by(RoomRow.id.desc())
    )
    row = session.scalars(asked).first()
    return row.mounts if row else "[]"


def notices(session: Session, project: str, mounts: str) -> Iterator[str]:
    """Yield what an open room is told; `mounts` is what it mounts, as its row says."""
    for one in json.loads(mounts):
        asked = select(ExtractRow).where(
            ExtractRow.project == project, ExtractRow.dataset == one["dataset"], ExtractRow.number == one["number"]
        )
        row = session.scalars(asked).first()
        if row is not None and by_withdrawal(session, row):
            yield said(row.dataset)


def said(dataset: str) -> str:
    """Tell it in a sentence."""
    return (
        f"A person has withdrawn from {dataset} since it was put into this room. An admin prepares it anew;"
        " open the room again then, and repeat what you did with it."
    )
