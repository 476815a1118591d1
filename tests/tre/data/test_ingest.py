import json
import os
import signal
import subprocess
import sys
import time
from hashlib import sha256
from itertools import islice

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from tests.builders import HOST
from tests.tre.data import made
from tre.data import catalogue, ingest, keeping, silo
from tre.errors import NotFound, Refused, TREError, Unavailable, Unreadable
from tre.records.tables import DatasetVersionRow, EntryRow


@pytest.fixture
def database():
    """What comes in does not depend on where the records lie; extracts are made on both."""
    return ""


def lines(*rows):
    return "\n".join(rows).encode() + b"\n"


PEOPLE = "id,name,nhs,email,postcode,born,sex,note"
GOOD = "1,Mary Q,999,a@b,QX1,1960-01-02,m,well"


def versions(records):
    with records.read() as session:
        return list(session.scalars(select(DatasetVersionRow)))


def entries(records, act):
    with records.read() as session:
        return [json.loads(row.body) for row in session.scalars(select(EntryRow).where(EntryRow.act == act))]


def left_behind(settings, name="trial"):
    folder = silo.folder_of(settings, name)
    return [path.name for path in folder.iterdir() if path.name != ".lock"] if folder.exists() else []


def test_a_version_has_its_persons_rows_and_hashes(records, settings, now, tmp_path):
    paths = made.files(tmp_path)
    number = made.bring_in(records, settings, now, paths)
    with records.read() as session:
        row, manifest = catalogue.version(session, "trial", number)
    assert (number, row.persons) == (1, 60)
    assert row.rows == sum(file.rows for file in manifest.files)
    assert {file.name: file.sha256 for file in manifest.files} == {
        path.stem: sha256(path.read_bytes()).hexdigest() for path in paths
    }
    for file in manifest.files:
        at = silo.path_of(settings, "trial", 1, file.name)
        assert sha256(at.read_bytes()).hexdigest() == file.stored_sha256
        assert (at.stat().st_size, at.stat().st_mode & 0o777) == (file.stored_bytes, 0o600)
    (entry,) = entries(records, "dataset.ingest")
    assert entry["facts"]["persons"] == 60
    assert entry["facts"]["files"] == {file.name: file.sha256 for file in manifest.files}


def test_the_silo_holds_no_name_in_clear(records, settings, now, tmp_path):
    made.bring_in(records, settings, now, made.files(tmp_path))
    for path in settings.home.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"Quillfeather" not in content, path
            assert b"9990000000" not in content, path


def test_a_second_ingest_is_the_next_version_and_the_first_stays(records, settings, now, tmp_path):
    made.bring_in(records, settings, now, made.files(tmp_path))
    first = silo.path_of(settings, "trial", 1, "people").read_bytes()
    assert ingest.ingest(records, settings, "trial", made.files(tmp_path), actor=HOST, now=now) == 2
    assert silo.path_of(settings, "trial", 1, "people").read_bytes() == first


def test_parquet_comes_in_like_csv(records, settings, now, tmp_path):
    csvs = made.files(tmp_path)
    people = duckdb.sql(f"SELECT * REPLACE (CAST(id AS BIGINT) AS id) FROM '{csvs[0]}'").to_arrow_table()
    pq.write_table(people, tmp_path / "people.parquet")
    assert made.bring_in(records, settings, now, [tmp_path / "people.parquet", csvs[1]]) == 1
    assert versions(records)[0].persons == 60


def test_ticks_count_the_bytes_of_the_files(records, settings, now, tmp_path):
    paths = made.files(tmp_path)
    made.register(records, now)
    heard = []
    ingest.ingest(records, settings, "trial", paths, actor=HOST, now=now, ticks=heard.append)
    assert sum(heard) == sum(path.stat().st_size for path in paths)


PARQUET = [
    (pa.table({"id": pa.array([[1]])}), "people.parquet, column id: list"),
    (pa.table({"id": pa.array([b"x"])}), "people.parquet, column id: binary"),
    (pa.table([pa.array(["1"]), pa.array(["1"])], names=["id", "id"]), "columns 1 and 2 have one name"),
]
BAD = [
    (b"", "people.csv: empty"),
    (b"\n \n", "people.csv: empty"),
    (lines(PEOPLE), "people.csv: a header and no rows"),
    (b"PK\x03\x04xx", "a ZIP or Excel file"),
    (b"\x1f\x8b\x08xx", "compressed with gzip"),
    (("\ufeff" + PEOPLE).encode("utf-16"), "UTF-16"),
    (b"##fileformat=VCFv4.3\n", "a VCF"),
    (lines(PEOPLE.replace(",", ";"), GOOD), "separated by semicolons"),
    (lines(PEOPLE.replace(",", "\t"), GOOD), "people.csv, row 2: 1 values, not 8"),
    (lines(PEOPLE.replace("note", "name"), GOOD), "line 1: columns 2 and 8 have one name"),
    (lines(PEOPLE.replace("note", ""), GOOD), "line 1: column 8 has no name"),
    (lines(PEOPLE + ",weight", GOOD + ",70"), "column weight is not in the plan for people"),
    (lines("id,name,nhs,email,postcode,born,sex", "1,Mary Q,999,a@b,QX1,1960-01-02,m"), "column note is in the plan"),
    (lines(PEOPLE, GOOD, "2,Secret"), "people.csv, row 3: 2 values, not 8"),
    (lines(PEOPLE, GOOD, GOOD.replace("1,", "2,", 1) + ",Secret"), "people.csv, row 3: 9 values, not 8"),
    (lines(PEOPLE, GOOD)[:-5] + b"\xe9Secret\n", "people.csv, line 2, byte 75: not UTF-8"),
    (lines(PEOPLE, GOOD)[:-1] + b"\xc3", "not UTF-8"),
    (lines(PEOPLE, GOOD) + b"2,Sec\0ret", "people.csv, line 3, byte 85: a NUL byte"),
    (lines(PEOPLE, GOOD, '2,"Secret,999,a@b,QX1,1960-01-02,m,well'), "line 3: a quote is opened and never closed"),
    (lines(PEOPLE, GOOD.replace("1960-01-02", "1960-01")), "column born, row 2: not a whole date YYYY-MM-DD"),
    (lines(PEOPLE, GOOD.replace("1960-01-02", "02/01/1960")), "column born, row 2: not a whole date"),
    (lines(PEOPLE, GOOD.replace("1960-01-02", "1961-02-29")), "column born, row 2: no such day in the calendar"),
    (lines(PEOPLE, GOOD[1:]), "people.csv, column id, row 2: no id"),
    (lines(PEOPLE, GOOD, GOOD), "people.csv, column id, row 3: an id that stands twice in the linkage"),
    (b"PAR1 and no more", "people.csv: damaged"),
]


@pytest.mark.parametrize(("content", "said"), BAD)
def test_a_bad_file_is_one_line_and_nothing_comes_in(records, settings, now, tmp_path, content, said):
    paths = made.files(tmp_path)
    paths[0].write_bytes(content)
    made.register(records, now)
    with pytest.raises(Unreadable) as caught:
        ingest.ingest(records, settings, "trial", paths, actor=HOST, now=now)
    message = str(caught.value)
    assert said in message
    assert caught.value.exit_code == 5
    assert "\n" not in message
    assert "Secret" not in message
    assert versions(records) == []
    assert left_behind(settings) == []


@pytest.mark.parametrize(("table", "said"), PARQUET)
def test_a_bad_parquet_file_is_one_line(records, settings, now, tmp_path, table, said):
    paths = made.files(tmp_path)
    pq.write_table(table, tmp_path / "people.parquet")
    made.register(records, now)
    with pytest.raises(Unreadable, match=said):
        ingest.ingest(records, settings, "trial", [tmp_path / "people.parquet", paths[1]], actor=HOST, now=now)
    assert left_behind(settings) == []


def test_an_id_that_is_not_in_the_linkage_is_told_by_its_row(records, settings, now, tmp_path):
    people = list(made.some_people())
    visits = [*islice(made.some_visits(people), 3), {**next(made.some_visits(people)), "id": "77777"}]
    with pytest.raises(Unreadable) as caught:
        made.bring_in(records, settings, now, made.files(tmp_path, people, visits))
    assert str(caught.value) == "visits.csv, column id, row 5: an id that is not in the linkage (people)"
    assert left_behind(settings) == []


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["people.csv"], "no file for the table visits"),
        (["people.csv", "visits.csv", "more.csv"], "the plan has no table more"),
        (["people.csv", "people.parquet", "visits.csv"], "a second file for the table people"),
        (["people.csv", "visits.parquet"], "no such file"),
        ([], "no file for the table people"),
    ],
)
def test_the_files_are_those_of_the_plan(records, settings, now, tmp_path, names, said):
    made.files(tmp_path)
    made.register(records, now)
    with pytest.raises(Unreadable, match=said):
        ingest.ingest(records, settings, "trial", [tmp_path / name for name in names], actor=HOST, now=now)


def test_an_unknown_dataset_is_not_found(records, settings, now, tmp_path):
    with pytest.raises(NotFound):
        ingest.ingest(records, settings, "other", made.files(tmp_path), actor=HOST, now=now)


def test_nothing_comes_into_a_withdrawn_dataset(records, settings, now, tmp_path):
    made.register(records, now)
    with records.act(HOST, "dataset.withdraw", "dataset/trial") as session:
        catalogue.withdraw(session, "trial", why="a test", actor=HOST, now=now)
    with pytest.raises(Refused, match="withdrawn"):
        ingest.ingest(records, settings, "trial", made.files(tmp_path), actor=HOST, now=now)


def test_a_byte_order_mark_and_windows_lines_do_no_harm(records, settings, now, tmp_path):
    paths = made.files(tmp_path)
    text = paths[0].read_text("utf-8")
    paths[0].write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert made.bring_in(records, settings, now, paths) == 1


def test_one_ingest_of_a_dataset_at_a_time(records, settings, now, tmp_path):
    made.register(records, now)
    with keeping.alone(silo.folder_of(settings, "trial"), "dataset trial"), pytest.raises(Unavailable, match="another"):
        ingest.ingest(records, settings, "trial", made.files(tmp_path), actor=HOST, now=now)


def test_a_full_disk_is_one_line_and_leaves_nothing(records, settings, now, tmp_path):
    """The limit on a file's size stands in for the disk: the kernel refuses the write in the same way."""
    people = list(made.some_people(4000))
    made.register(records, now)
    program = (
        "import resource, sys, tre.settings; from datetime import UTC, datetime; from pathlib import Path\n"
        "from tre.data import ingest; from tre.records import db; from tre.errors import TREError\n"
        f"settings = tre.settings.load(Path({str(settings.home)!r}), database={settings.database!r})\n"
        "records = db.opened(settings)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))\n"
        "try:\n"
        "    ingest.ingest(records, settings, 'trial', [Path(p) for p in sys.argv[1:]], actor='host', "
        "now=datetime.now(UTC))\n"
        "except TREError as error: print(error); sys.exit(error.exit_code)\n"
    )
    paths = made.files(tmp_path, people)
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, paths)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (7, "")
    assert "no space left" in done.stdout
    assert left_behind(settings) == []
    assert versions(records) == []
    assert ingest.ingest(records, settings, "trial", paths, actor=HOST, now=now) == 1


def test_an_ingest_that_is_killed_leaves_no_version_and_runs_again(records, settings, now, tmp_path):
    people = list(made.some_people(30_000))
    visits = [visit for visit in made.some_visits(people) if visit["age"] < "99"]
    paths = made.files(tmp_path, people, visits)
    made.register(records, now)
    words = [sys.executable, "-m", "tre", "dataset", "ingest", "trial", *map(str, paths)]
    env = {**os.environ, "TRE_HOME": str(settings.home), "TRE_DATABASE": settings.database}
    folder = silo.folder_of(settings, "trial")
    with subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not list(folder.glob(f"{keeping.ASIDE}*/*.sealed")):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert versions(records) == []
    assert not (folder / "1").exists()
    assert list(folder.glob(f"{keeping.ASIDE}*"))
    assert ingest.ingest(records, settings, "trial", paths, actor=HOST, now=now) == 1
    assert left_behind(settings) == ["1"]


def test_any_bytes_come_in_or_are_refused_in_one_line(settings, records, now, tmp_path):
    """Damage at every place of a good file: each is refused, or comes in with as many rows as it has."""
    paths = made.files(tmp_path)
    good = paths[0].read_bytes()[:700].rsplit(b"\r\n", 1)[0] + b"\r\n"
    made.register(records, now)
    for at in range(0, len(good), 83):
        for damage in (b"\xff", b"\0", b'"', b"\n", b","):
            paths[0].write_bytes(good[:at] + damage + good[at:])
            with pytest.raises(TREError) as caught:  # if nothing else, the visits' persons are not in the linkage
                ingest.ingest(records, settings, "trial", paths, actor=HOST, now=now)
            assert caught.value.exit_code == 5
            assert "Quill" not in str(caught.value)
    assert left_behind(settings) == []
