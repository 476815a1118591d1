import random

import pytest

from tre.data import short

ANN, BOB = "tre1-ANNAAAAAAAAAAAAAAAAAAAAAAA", "tre1-BOBBBBBBBBBBBBBBBBBBBBBBBB"
OTHERS = [(f"tre1-{letter * 26}", f"{at}{at}{at}77") for at, letter in enumerate("CDEFGHIJK", 10)]
OWN = [(ANN, "204118"), (ANN, "Smith"), (BOB, "771203"), (BOB, "Garcia"), *OTHERS]


@pytest.mark.parametrize(
    ("line", "places"),
    [
        (f'{{"subject":"{ANN}","note":"204118"}}', 1),
        (f'{{"subject":"{ANN}","note":"mrs smith"}}', 1),
        (f'{{"subject":"{ANN}","note":"771203"}}', 0),
        (f'{{"subject":"{ANN}","value":99}}', 0),
        ('{"nobody":"204118"}', 0),
    ],
)
def test_a_short_identifier_tells_on_a_line_of_its_own_person(line, places, tmp_path):
    (tmp_path / "a.ndjson").write_text(line + "\n")
    found = short.search(tmp_path, OWN).found
    assert found == ((("a.ndjson", places),) if places else ())


def test_a_short_identifier_tells_in_a_file_of_its_own_person(tmp_path):
    (tmp_path / ANN).mkdir()
    (tmp_path / ANN / "1.dcm").write_bytes(b"\0\1\2" + "SMITH".encode("utf-16-le") + b"\3")
    (tmp_path / ANN / "2.dcm").write_bytes(b"\0\1\2GARCIA\3")
    assert short.search(tmp_path, OWN).found == ((f"{ANN}/1.dcm", 1),)


def test_what_chance_explains_is_not_found(tmp_path):
    rng = random.Random(3)
    people = [f"tre1-{''.join(rng.choices('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', k=26))}" for _ in range(50)]
    own = [(person, str(1000 + rng.randrange(100))) for person in people]
    lines = (f'{{"p":"{rng.choice(people)}","v":"{1000 + rng.randrange(100)}"}}' for _ in range(5000))
    (tmp_path / "a.ndjson").write_text("\n".join(lines))
    assert short.search(tmp_path, own).passed
