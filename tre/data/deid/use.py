"""What a plan says of what the data may be used for, in codes of the Data Use Ontology.

data_use:
  codes: [GRU, IRB]                       everybody agreed to the same
  embargo_until: "2027-06-30"             nobody works with it before; optional
  networks: [ward]                        zones from which it may be seen; optional
  combine: [labs]                         datasets that may be in the same project; optional

Where people agreed to different things, each consent group has its codes, and a table says who is in which:

data_use:
  groups:
    broad:  {codes: [GRU], where: {table: people, column: consent, value: A}}
    cancer: {codes: ["DS:MONDO_0004992", NPU], where: {table: people, column: consent, value: B}}

`about.duo` is the short form of `codes`.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime

from policies import duo
from policies.duo import DataUse, Group, Where
from tre.data.deid import reading
from tre.errors import Unreadable

_MAY = frozenset({"codes", "groups", "embargo_until", "networks", "combine"})


def read(said: object, where: str) -> DataUse:
    """Read the section strictly."""
    parts = reading.mapping(said, where, may=_MAY)
    if ("codes" in parts) == ("groups" in parts):
        raise Unreadable(f"{where}: needs either `codes`, or `groups`")
    try:
        return duo.checked(_use(parts, where), where)
    except duo.DataUseUnfit as error:
        raise Unreadable(str(error) if str(error).startswith(where) else f"{where}, {error}") from None


def short(codes: tuple[str, ...]) -> DataUse:
    """Read the short form, `about.duo`: one group of everybody; nothing is said where it is empty."""
    where = "plan, about, duo"
    try:
        return duo.checked(DataUse((Group("", tuple(map(duo.parse, codes))),) if codes else ()), where)
    except duo.DataUseUnfit as error:
        raise Unreadable(str(error) if str(error).startswith(where) else f"{where}, {error}") from None


def _use(parts: Mapping[str, object], where: str) -> DataUse:
    combine = parts.get("combine")
    return DataUse(
        groups=tuple(_groups(parts, where)),
        embargo_until=_day(parts["embargo_until"], f"{where}, embargo_until") if "embargo_until" in parts else None,
        networks=reading.strings(parts.get("networks", []), f"{where}, networks"),
        combine=None if combine is None else reading.strings(combine, f"{where}, combine"),
    )


def _groups(parts: Mapping[str, object], where: str) -> list[Group]:
    if "codes" in parts:
        return [Group("", _codes(parts["codes"], where))]
    named = reading.mapping(parts["groups"], f"{where}, groups")
    if not named:
        raise Unreadable(f"{where}, groups: there is none")
    return [_group(name, said, f"{where}, group {name}") for name, said in named.items()]


def _group(name: str, said: object, where: str) -> Group:
    parts = reading.mapping(said, where, needs={"codes", "where"})
    who = reading.mapping(parts["where"], f"{where}, where", needs={"table", "column", "value"})
    told = {key: reading.string(value, f"{where}, where, {key}").strip() for key, value in who.items()}
    if not all((name.strip(), *told.values())):
        raise Unreadable(f"{where}: its name and what tells who is in it are not empty")
    return Group(name, _codes(parts["codes"], where), Where(**told))


def _codes(said: object, where: str) -> tuple[duo.Use, ...]:
    return tuple(duo.parse(code) for code in reading.strings(said, f"{where}, codes"))


def _day(said: object, where: str) -> datetime:
    """Return the first moment of a day; YAML reads an unquoted day as a date."""
    if isinstance(said, date) and not isinstance(said, datetime):
        return datetime(said.year, said.month, said.day, tzinfo=UTC)
    try:
        return datetime.strptime(str(said), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise Unreadable(f"{where}: needs a day, e.g. 2027-06-30") from None
