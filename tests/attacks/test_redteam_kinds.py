"""Second look at data of every kind: attempts that nobody had tried yet, each named for itself."""

import base64
import gzip
import lzma
import os
import quopri
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.attacks import intruder
from tests.builders import HOST
from tests.tre.data import linked, made, standing
from tests.tre.data.deid import fhir_files
from tre.data import confined, extract, index, kinds, linkage, search, short
from tre.data.deid.pseudonyms import Naming, ProjectKeys
from tre.data.deid.stored import Kind, Stored, nobody
from tre.errors import Unavailable


# --- a parser is taken over by what it reads --------------------------------------------------------------------------
@pytest.fixture
def taken_over(monkeypatch, tmp_path):
    """Give a way to run a deed of the intruder in the process that makes an extract."""
    standing.seen(monkeypatch)
    folder = tmp_path / "made"
    folder.mkdir()
    return lambda deed, *words, **more: confined.run(deed, *words, folder=folder, **more)


def test_a_parser_reads_the_keys_and_the_records_of_the_house(taken_over, settings):
    for path in (*settings.keys.iterdir(), settings.home / "records.sqlite", settings.home / "tre.toml"):
        assert not isinstance(taken_over(intruder.reads, str(path)), bytes)
    assert taken_over(intruder.lists, str(settings.keys)) == "PermissionError"


def test_a_parser_reads_what_it_was_given_and_nothing_beside_it(taken_over, tmp_path):
    for name in ("given", "beside"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"x")
    given = (tmp_path / "given",)
    assert taken_over(intruder.reads, str(tmp_path / "given/file"), reads=given) == b"x"
    assert taken_over(intruder.reads, str(tmp_path / "beside/file"), reads=given) == "PermissionError"


def test_a_look_at_one_file_reads_another_that_everybody_may_read(monkeypatch):
    standing.seen(monkeypatch)
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        other = Path(place, "other")
        other.write_bytes(b"records")
        other.chmod(0o644)
        child = confined.Child("tests.attacks.intruder:serve", {})
        with closing(child), other.open("rb") as file:
            said = list(child.ask({"place": str(other)}, file.fileno(), size=7))
    assert said == [(confined.SAID, b"PermissionError")]


def test_a_parser_ends_another_process(taken_over):
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        assert taken_over(intruder.signals, other.pid) == "PermissionError"
        assert other.poll() is None
        other.kill()


def test_a_parser_leaves_a_process_that_writes_after_the_search(taken_over, tmp_path):
    assert taken_over(intruder.stays, str(tmp_path / "made")) == "gone"
    time.sleep(1.5)
    assert not (tmp_path / "made" / "late").exists()


def test_a_parser_looks_into_another_process(taken_over):
    assert taken_over(intruder.looks_into, os.getpid()) == []


def test_a_parser_calls_a_port_of_the_house(taken_over):
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert taken_over(intruder.calls, server.getsockname()[1]) != "reached"


def test_a_parser_leaves_a_device_in_the_extract(taken_over, tmp_path):
    assert taken_over(intruder.makes_a_device, str(tmp_path / "made")) is False


# --- an identifier is written as the search does not expect -----------------------------------------------------------
NHS, PHONE, NAME, LONG = "943 476 5919", "(555) 123-4567", "Müller Özlem", "John Quincy Smith"
CYRILLIC, GREEK, HAN, MRN = "Иванов Пётр", "Παπαδόπουλος Γιώργος", "王小明", "RXH-2041187"
MAIL, PLAIN = "o.muller@mail.example", "Maria Rodriguez"
SOURCE = [NHS, PHONE, NAME, LONG, CYRILLIC, GREEK, HAN, MRN, MAIL, PLAIN]
BARE = NHS.replace(" ", "")
DISGUISES = {
    "a number alone in base64": base64.b64encode(BARE.encode()),
    "a number in gzip in base64": base64.b64encode(gzip.compress(f"a {BARE} b".encode())),
    "a number in gzip, in the middle of a file": b"\x00\xffjunk" + gzip.compress(f"a {BARE} b".encode()) + b"junk",
    "a number in hexadecimal digits": BARE.encode().hex().encode(),
    "a number in capital hexadecimal digits": f'{{"v":"{MRN.encode().hex().upper()}"}}'.encode(),
    "a number with a printer's narrow spaces": "943\u202f476\u202f5919".encode(),
    "a number with hyphens that do not break": "943\u2011476\u20115919".encode(),
    "a number with dashes": "943\u2013476\u20135919".encode(),
    "a number with what nobody sees": "943\u200b4765919".encode(),
    "a number in wide digits": BARE.translate({48 + at: 0xFF10 + at for at in range(10)}).encode(),
    "a number with underlines": b"943_476_5919",
    "a telephone number as people write it": b"call (555) 123-4567 now",
    "a name in percent signs": urllib.parse.quote(f"patient={NAME}&x=1").encode(),
    "a plain name in percent signs": b"?name=Maria%20Rodriguez",
    "an address of mail in percent signs": b"mailto:o.muller%40mail.example",
    "a name in entities": b"<p>M&uuml;ller &#214;zlem</p>",
    "a name with an entity between": b"Maria&nbsp;Rodriguez",
    "a name in quoted-printable": quopri.encodestring(NAME.encode()),
    "a name with a space that does not break": "Maria\u00a0Rodriguez".encode(),
    "a name with a soft hyphen": "Maria Rodri\u00adguez".encode(),
    "a name with accents as letters of their own": "Mu\u0308ller O\u0308zlem".encode(),
    "a name without its middle": b"SMITH^JOHN",
    "a name glued to its title": b"MrMariaRodriguezMD",
    "a name in Windows-1251": "Пётр Иванов".encode("cp1251"),
    "a name in ISO 8859-5": "Иванов^Пётр".encode("iso8859-5"),
    "a name in ISO 8859-7": "Παπαδόπουλος^Γιώργος".encode("iso8859-7"),
    "a name without its yo": "Петр Иванов, Пётр".encode(),
    "a name with a soft hyphen in Cyrillic": CYRILLIC.replace("ван", "ва\u00adн").encode(),
    "a name of three signs": "患者王小明さん".encode(),
}


@pytest.mark.parametrize("how", DISGUISES)
def test_an_identifier_in_disguise_is_found(tmp_path, how):
    (tmp_path / "file").write_bytes(DISGUISES[how])
    assert search.sweep(tmp_path, SOURCE).found


def test_an_identifier_hides_behind_another_that_begins_like_it(tmp_path):
    """Of two that overlap the search once saw the first alone, and threw it away as a part of something longer."""
    for at, (shorter, longer) in enumerate(
        [("943476591", BARE), ("RXH-204118", MRN), ("Anna Lind", "Anna Lindqvist"), ("119434765", BARE)]
    ):
        folder = tmp_path / str(at)
        folder.mkdir()
        (folder / "file").write_text(f"11,{longer},x")
        assert search.sweep(folder, [shorter, longer]).found, (shorter, longer)


def test_a_file_is_packed_as_nobody_can_search(tmp_path):
    (tmp_path / "file").write_bytes(lzma.compress(BARE.encode()))
    assert not search.sweep(tmp_path, SOURCE).passed


def test_a_pipe_or_a_socket_in_an_extract_is_no_file_that_was_searched(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert search.sweep(tmp_path, SOURCE).unread


HONEST = {
    "telephone numbers of others": b"(555) 123-4568",
    "a date, a time and a zone": b"2021-03-15 10:25 (+01) 12-34",
    "prose with accents, percent and entities": "Größe 12,5&nbsp;% &lt; 13 % \u2013 naïve; a=3D b, 100%25".encode()
    * 50,
    "one word of a name": "Frau Müller, Иванов, John".encode(),
    "hexadecimal digits of nothing": os.urandom(3).hex().encode() * 9,
    "names of ours": b"tre1-ABCDEFGHIJKLMNOPQRSTUVWXYZ ABCDEFGHIJKLMNOP 2.25.123456789012345678901234567890123456789",
}


@pytest.mark.parametrize("what", HONEST)
def test_honest_bytes_raise_no_alarm(tmp_path, what):
    (tmp_path / "file").write_bytes(HONEST[what])
    assert search.sweep(tmp_path, SOURCE).passed


ANN, BOB = "tre1-ANNAAAAAAAAAAAAAAAAAAAAAAA", "tre1-BOBBBBBBBBBBBBBBBBBBBBBBBB"
OWN = [(ANN, "Müller"), (BOB, "Иванов"), *((f"tre1-{letter * 26}", f"Name{letter}") for letter in "CDEFGHIJK")]


@pytest.mark.parametrize(
    "line",
    [
        f'{{"subject":"{ANN}","note":"Frau Müller"}}'.encode(),
        f'{{"subject":"{ANN}","note":"MULLER"}}'.encode(),
        f"{ANN},Müller,x".encode("latin-1"),
        f'{{"subject":"{BOB}","note":"она, Иванов"}}'.encode(),
    ],
)
def test_one_word_of_a_name_with_accents_or_of_another_script_stands_on_its_own_line(tmp_path, line):
    (tmp_path / "a.ndjson").write_bytes(line + b"\n")
    assert short.search(tmp_path, OWN).found == (("a.ndjson", 1),)
    (tmp_path / "a.ndjson").write_bytes(line.replace(b"ANNA", b"CCCC").replace(b"BOBB", b"CCCC") + b"\n")
    assert short.search(tmp_path, OWN).passed


# --- a person withdrew, and their records come back ------------------------------------------------------------------
LATER = timedelta(hours=1)


def withdrawn(records, settings, now):
    """Let p3 withdraw, who is 503 to the ward and 504 to the images."""
    linkage.withdraw(records, settings, "hospital", ("ehr", "mrn", "503"), reason="asked to", actor=HOST, now=now)


@pytest.mark.parametrize("first", [("ehr", "mrn", "503", "p3"), ("ehr", "mrn", "503", "q3"), None])
def test_who_withdrew_comes_back_under_a_number_that_was_given_later(records, settings, now, tmp_path, first):
    """Loaded with a new number beside an old one, then with the new number and a new subject alone."""
    rest = [row for row in linked.ids() if row[3] != "p3"]
    linked.an_extract(records, settings, now, tmp_path)
    withdrawn(records, settings, now + LATER)
    subject = first[3] if first else "p3"
    linked.load(
        records, settings, now + LATER, tmp_path, [*rest, *filter(None, [first]), ("ehr", "mrn", "777", subject)]
    )
    linked.load(
        records, settings, now + LATER, tmp_path, [*rest, ("ehr", "mrn", "777", "z"), ("ehr", "mrn", "503", "y")]
    )
    with records.read() as session:
        links = linkage.newest(session, settings, "hospital")
        gone = linkage.withdrawals.of(session, settings, "hospital", "trial", links.subjects.to_pylist())
    assert gone == {"hospital:z", "hospital:y"}


def test_who_withdraws_while_an_extract_is_prepared_is_not_in_it(records, settings, now, tmp_path, monkeypatch):
    """By the clock the withdrawal came first, so that nobody would ever be told."""
    linked.an_extract(records, settings, now, tmp_path)
    make = extract.make

    def meanwhile(*asked):
        found = make(*asked)
        withdrawn(records, settings, now + LATER)
        return found

    monkeypatch.setattr(extract, "make", meanwhile)
    with pytest.raises(Unavailable, match="withdrew while"):
        made.prepare(records, settings, now + 2 * LATER)
    assert not settings.extract("sunrise", "trial", 2).exists()
    monkeypatch.setattr(extract, "make", make)
    assert made.prepare(records, settings, now + 2 * LATER).assessed


# --- two projects' extracts lie side by side --------------------------------------------------------------------------
def test_times_of_files_tell_the_order_in_which_they_were_made(records, settings, now, tmp_path):
    linked.an_extract(records, settings, now, tmp_path)
    folder = settings.extract("sunrise", "trial", 1)
    assert {path.stat().st_mtime_ns for path in (folder, *folder.rglob("*"))} == {int(now.timestamp()) * 10**9}


@pytest.mark.parametrize("kind", ["dicom", "variants"])
def test_files_are_made_in_the_order_in_which_they_were_delivered(monkeypatch, tmp_path, kind):
    """Inodes and a folder's own order say which came first; two projects with one order are linked."""
    files = [Stored(at, Kind.DICOM, f"{at}.dcm", 1, f"{at:064x}", open) for at in range(40)]
    monkeypatch.setattr(index, "stored", lambda *_, **__: files)
    asked = {}

    def run(_function, one, **_):
        asked[name] = [file.number for file in one.files]

    monkeypatch.setattr(confined, "run", run)
    plan = SimpleNamespace(
        **{"fhir": None, "dicom": None, "variants": None, "reads": None, "omop": None, kind: object()}
    )
    order = SimpleNamespace(plan=plan, settings=settings_of(tmp_path), dataset="trial", version=1, manifest=None)
    for name in ("sunrise", "harbour"):
        persons = SimpleNamespace(naming=Naming(ProjectKeys(name.encode() * 4, b"days")))
        kinds.make(order, tmp_path, persons, cleared={}, vocabulary=None, tell=nobody)
    first, second = asked.values()
    assert sorted(first) == sorted(second) == list(range(40))
    assert len({tuple(first), tuple(second), tuple(range(40))}) == 3


def settings_of(home):
    return SimpleNamespace(silo=home)


# --- a process breaks down --------------------------------------------------------------------------------------------
def test_a_core_of_the_process_that_opened_the_silo_is_read(settings):
    program = (
        "import resource, sys; from pathlib import Path; import tre.settings; from tre.data import silo;"
        "silo.new_key(tre.settings.load(Path(sys.argv[1])), 'trial', 1);"
        "print(resource.getrlimit(resource.RLIMIT_CORE))"
    )
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    done = subprocess.run(
        [sys.executable, "-c", program, str(settings.home)],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (most, most)),
    )
    assert done.stdout == "(0, 0)\n"


def test_the_name_of_who_withdrew_or_is_unknown_stands_in_another_persons_text(tmp_path):
    """Their own records are left out, so that nobody would have looked for their names."""
    there, gone, strange = (
        fhir_files.patient(id=one, identifier=[], name=[{"given": ["Ida"], "family": family}])
        for one, family in (("p1", "Quillfeather"), ("p2", "Featherquill"), ("p99", "Quillquill"))
    )
    by = fhir_files.who(withdrawn=("h:otto",))
    summary, found = fhir_files.extract(tmp_path, fhir_files.ndjson(there, gone, strange), by=by)
    assert len(found["Patient"]) == 1
    assert {("", "Ida Featherquill"), ("", "Ida Quillquill")} <= summary.identifiers
    assert "Ida Quillfeather" in {value for name, value in summary.identifiers if name}
