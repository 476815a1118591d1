"""Who is in an extract where people agreed to different things: persons of the approved consent groups, and no others.

Who is in no group, in one that was not approved, or in two of which one was not, stays out.
"""

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from policies import duo
from tre.data import silo
from tre.data.deid.plan import Column
from tre.data.deid.pseudonyms import PatientId
from tre.data.making import Order
from tre.errors import Refused, Unreadable
from tre.records.tables import ApprovalRow, DatasetRow

ROWS = 131_072


@dataclass(frozen=True)
class Consent:
    """What of a dataset a project may have, read at one moment."""

    data_use: str
    """The limitation as it stood."""
    groups: tuple[str, ...] = ()
    """Names of the approved groups; none where the dataset has none."""
    values: frozenset[str] = frozenset()
    """What stands in the column of whoever is in one of them."""
    table: str = ""
    column: str = ""


def of(dataset: DatasetRow, approval: ApprovalRow) -> Consent:
    """Return whose data the approval covers, or refuse: without a clear answer nothing is made."""
    again = ["let the committee decide again: `tre application submit`"]
    try:
        use = duo.DataUse.from_json(dataset.data_use)
    except duo.DataUseUnfit as error:
        raise Refused(f"dataset {dataset.name}: {error}", remedies=["`tre dataset use` with a plan"]) from None
    names = tuple(json.loads(approval.groups))
    if not use.grouped and not names:
        return Consent(dataset.data_use)
    approved = [group for group in use.groups if group.name in names]
    if not names or len(approved) != len(names):
        raise Refused(f"dataset {dataset.name} has other consent groups than those that were approved", remedies=again)
    wheres = [group.where for group in approved if group.where]
    if len(wheres) != len(approved):
        raise Refused(f"dataset {dataset.name} does not say who is in which consent group", remedies=again)
    return Consent(
        dataset.data_use, names, frozenset(where.value for where in wheres), wheres[0].table, wheres[0].column
    )


def inside(order: Order, consent: Consent) -> frozenset[PatientId] | None:
    """Return the persons who may be in the extract; None where the dataset has no groups."""
    if not consent.groups:
        return None
    found: defaultdict[PatientId, set[str]] = defaultdict(set)
    whose = _whose(order, _subject(order, consent))
    for value, group in _told(order, consent):
        subject = whose(value) if value is not None else None
        if subject is not None:
            found[subject].add("" if group is None else group.strip())
    return frozenset(subject for subject, groups in found.items() if groups <= consent.values)


def _subject(order: Order, consent: Consent) -> Column:
    """Return the column that says whose a row is, or refuse if the version does not tell groups."""
    table = order.plan.table(consent.table)
    brought = any(file.name == consent.table for file in order.manifest.files)
    who = table.column(table.subject) if table else None
    if table is None or who is None or table.column(consent.column) is None or not brought:
        raise Refused(
            f"version {order.version} of {order.dataset} has no {consent.table}.{consent.column}, which says who is in"
            " which consent group",
            remedies=["ingest the dataset with that column, or name another one: `tre dataset use`"],
        )
    return who


def _whose(order: Order, who: Column) -> Callable[[str], PatientId | None]:
    links = order.links
    if links is None:
        return PatientId
    return lambda value: links.subject(who.system, who.id, value)


def _told(order: Order, consent: Consent) -> set[tuple[str | None, str | None]]:
    """Return each pair of an id and a group that stands in the table."""
    table = order.plan.table(consent.table)
    if table is None:
        raise Unreadable(f"plan: no table {consent.table}")
    path = silo.path_of(order.settings, order.dataset, order.version, table.name)
    place = silo.place_of(order.dataset, order.version, table.name)
    pairs: set[tuple[str | None, str | None]] = set()
    names = list(dict.fromkeys([table.subject, consent.column]))
    with silo.SealedReader(path, order.data_key, place) as sealed:
        file = pyarrow.parquet.ParquetFile(pa.PythonFile(sealed, "r"))
        for batch in file.iter_batches(ROWS, columns=names, use_threads=False):
            ids, groups = (pc.cast(batch.column(name), pa.string()) for name in (table.subject, consent.column))
            pairs |= set(zip(ids.to_pylist(), groups.to_pylist(), strict=True))
    return pairs
