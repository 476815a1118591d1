"""A person's dates all move by the same number of days: intervals stay true, calendar dates do not.

    shift = -(1 + HMAC-SHA256(date key, "subject|" + id) mod 365) days

It is the same in every table of a project and another in every other project. A date of which only the year or the
month is known cannot be moved; it is refused when it comes in (`tre.data.rows`).
"""

from collections.abc import Iterable

import pyarrow as pa

from tre.data.deid.pseudonyms import Mac, PatientId

LONGEST = 365


def shift(subject: PatientId, key: bytes) -> int:
    """Return how many days this person's dates move; always into the past."""
    return next(iter(shifts([subject], key)))


def shifts(subjects: Iterable[PatientId], key: bytes) -> Iterable[int]:
    """Yield the shift of each person in turn."""
    mac = Mac(key)
    for subject in subjects:
        yield -(1 + int.from_bytes(mac(b"subject|" + subject.encode())[:8]) % LONGEST)


def with_shifts(who: pa.Table, key: bytes) -> pa.Table:
    """Add the days to a crosswalk of subjects."""
    days = pa.array(shifts(who["subject"].to_pylist(), key), pa.int32())
    return who.append_column("days", days)
