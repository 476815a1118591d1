import hmac

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tre.data.deid import dates, pseudonyms
from tre.data.deid.pseudonyms import SHAPE, Mac, crosswalk, project_of, pseudonym, verify

ids = st.text(min_size=1, max_size=40)
keys = st.binary(min_size=32, max_size=32)
A, B = b"a" * 32, b"b" * 32


def by_the_book(subject, key):
    """The formula once more, with the standard library alone."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"  # RFC 4648, base 32

    def word(message, size):
        return "".join(letters[byte % 32] for byte in hmac.new(key, message, "sha256").digest()[:size])

    payload = word(f"subject|{subject}".encode(), 20)
    return f"tre1-{payload}{word(b'check|' + payload.encode(), 6)}"


@given(ids, keys)
def test_a_pseudonym_is_what_the_formula_says(subject, key):
    assert pseudonym(subject, key) == by_the_book(subject, key)


@given(st.binary(max_size=200), st.binary(max_size=100))
def test_the_fast_mac_is_hmac(key, message):
    assert Mac(key)(message) == hmac.digest(key, message, "sha256")


@given(ids, keys)
def test_a_pseudonym_has_its_shape_and_bears_its_check(subject, key):
    made = pseudonym(subject, key)
    assert SHAPE.fullmatch(made)
    assert verify(made, key)
    assert verify(made.lower(), key)


@given(ids, keys, st.integers(5, 30))
def test_one_changed_letter_breaks_the_check(subject, key, at):
    made = pseudonym(subject, key)
    other = made[:at] + ("A" if made[at] != "A" else "B") + made[at + 1 :]
    assert not verify(other, key)


def test_the_check_names_the_project():
    assert project_of(pseudonym("1", B), {"a": A, "b": B}) == "b"
    assert project_of(pseudonym("1", b"c" * 32), {"a": A, "b": B}) is None


def test_two_projects_have_no_pseudonym_in_common():
    subjects = [str(number) for number in range(5000)]
    mine, theirs = set(pseudonyms.pseudonyms(subjects, A)), set(pseudonyms.pseudonyms(subjects, B))
    assert len(mine) == len(theirs) == 5000
    assert not mine & theirs


def test_two_projects_shift_the_same_person_by_different_days():
    subjects = [str(number) for number in range(5000)]
    mine, theirs = list(dates.shifts(subjects, A)), list(dates.shifts(subjects, B))
    alike = sum(one == other for one, other in zip(mine, theirs, strict=True))
    assert alike < 40  # chance gives 5000 / 365


@given(ids, keys)
def test_a_shift_is_what_the_formula_says(subject, key):
    mac = hmac.new(key, f"subject|{subject}".encode(), "sha256").digest()
    assert dates.shift(subject, key) == -(1 + int.from_bytes(mac[:8], "big") % 365)


@given(ids, keys)
def test_a_shift_goes_back_at_least_a_day_and_at_most_a_year(subject, key):
    assert -365 <= dates.shift(subject, key) <= -1


def test_shifts_are_spread_over_the_year():
    days = list(dates.shifts([str(number) for number in range(20000)], A))
    assert len(set(days)) == 365
    assert max(days.count(day) for day in range(-365, 0)) < 110  # 55 on average


def test_a_crosswalk_has_each_subject_once_in_its_order():
    table = dates.with_shifts(crosswalk(pa.array(["x", "y"]), A), B)
    assert table["subject"].to_pylist() == ["x", "y"]
    assert table["pseudonym"].to_pylist() == [by_the_book("x", A), by_the_book("y", A)]
    assert table["days"].to_pylist() == [dates.shift("x", B), dates.shift("y", B)]
