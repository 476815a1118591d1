"""What the search of a file could be made to pass over: a pseudonym, an identifier and a canary in every wrapping."""

import base64
import bz2
import codecs
import gzip
import io
import json
import lzma
import math
import quopri
import random
import zipfile
import zlib
from hashlib import sha256

import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from tests.builders import HOST
from tests.tre.data import made
from tre.data import canaries, evidence, identifiers, leaked
from tre.data.deid import pseudonyms
from tre.governance import projects
from tre.notebook.data import Dataset
from tre.records import audit
from tre.records.tables import ExtractRow

SOURCE = list(made.some_people())
A_TOKEN = b"group,abcdefghijklmnopqrstuvwx\n"
CYRILLIC = dict(zip(b"ABEKMHOPCTYX", b"\x10\x12\x15\x1a\x1c\x1d\x1e\x20\x21\x22\x23\x25", strict=True))


KEY, OTHER = b"k" * 32, b"o" * 32
NAMED = pseudonyms.pseudonym("P7", KEY).encode()
NUMBER, CODE = "9990000007", "QX4417029"


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """The evidence of project sunrise, as it is gathered for the airlock."""
    index = tmp_path_factory.mktemp("beside") / "1.identifiers"
    identifiers.write(index, [NUMBER, CODE, "Mary Quillfeather"], KEY)
    return evidence.Evidence("sunrise", (), (("sunset", OTHER), ("sunrise", KEY)), ((index, KEY),))


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def zipped(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", data)
    return out.getvalue()


def base58(data: bytes) -> bytes:
    number, out = int.from_bytes(data), b""
    while number:
        number, rest = divmod(number, 58)
        out = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"[rest : rest + 1] + out
    return out


def csv(cell: bytes) -> bytes:
    return b'group,note,n\na,"' + cell + b'",30\nb,none,30\n'


WRAPPED = {
    "as it is": lambda p: p,
    "small letters": lambda p: p.lower(),
    "base64": base64.b64encode,
    "base64 in lines": base64.encodebytes,
    "base64 twice": lambda p: base64.b64encode(base64.b64encode(p)),
    "base64 for addresses, glued": lambda p: b"xx" + base64.urlsafe_b64encode(p),
    "base32": base64.b32encode,
    "base85": base64.b85encode,
    "ascii85": base64.a85encode,
    "base58": base58,
    "hex": lambda p: p.hex().encode(),
    "hex with colons": lambda p: p.hex(":").encode(),
    "hex as C writes it": lambda p: b", ".join(b"0x%02x" % byte for byte in p),
    "hex with backslashes": lambda p: b"".join(b"\\x%02x" % byte for byte in p),
    "octal with backslashes": lambda p: b"".join(b"\\%03o" % byte for byte in p),
    "numbers of bytes": lambda p: b" ".join(b"%d" % byte for byte in p),
    "numbers of bytes as JSON": lambda p: json.dumps(list(p)).encode(),
    "gzip in base64, after a word that could be base64": lambda p: A_TOKEN + base64.b64encode(gzip.compress(p)),
    "zlib in base64": lambda p: base64.b64encode(zlib.compress(p)),
    "zlib of a lower level": lambda p: zlib.compress(p, 3),
    "zlib in hexadecimal digits": lambda p: zlib.compress(p).hex().encode(),
    "deflate without a head, in base64": lambda p: base64.b64encode(deflated(p)),
    "xz in base64": lambda p: base64.b64encode(lzma.compress(p)),
    "bzip2 in base85": lambda p: base64.b85encode(bz2.compress(p)),
    "zip in base64": lambda p: base64.b64encode(zipped(p)),
    "zip behind a text": lambda p: b"result\n" + zipped(p),
    "percent signs": lambda p: b"".join(b"%%%02X" % byte for byte in p),
    "entities": lambda p: b"".join(b"&#%d;" % byte for byte in p),
    "mail": lambda p: b"".join(b"=%02X" % byte for byte in p),
    "mail in lines": lambda p: quopri.encodestring(p[:9] + b"=\n" + p[9:]).replace(b"=3D\n", b"=\n"),
    "UTF-16": lambda p: p.decode().encode("utf-16"),
    "UTF-16 in base64": lambda p: base64.b64encode(p.decode().encode("utf-16-be")),
    "UTF-32": lambda p: p.decode().encode("utf-32-le"),
    "UTF-7": lambda p: b"+" + base64.b64encode(p.decode().encode("utf-16-be")).rstrip(b"=") + b"-",
    "full width": lambda p: "".join(chr(byte + 0xFEE0) for byte in p).encode(),
    "look-alike letters": lambda p: "".join(
        chr(0x400 + CYRILLIC[byte]) if byte in CYRILLIC else chr(byte) for byte in p
    ).encode(),
    "invisible characters between": lambda p: "\u200b".join(p.decode()).encode(),
    "spaces between": lambda p: b" ".join(bytes([byte]) for byte in p),
    "a cell each": lambda p: b'","'.join(bytes([byte]) for byte in p),
    "a row each": lambda p: b'"\na,"'.join(bytes([byte]) for byte in p),
    "two cells": lambda p: p[:14] + b'","' + p[14:],
    "backwards": lambda p: p[::-1],
    "turned by thirteen": lambda p: codecs.encode(p.decode(), "rot13").encode(),
}
ONLY_PSEUDONYMS = {
    "without its head": lambda p: p.removeprefix(b"tre1-"),
    "without its head, glued": lambda p: b"x" + p.removeprefix(b"tre1-") + b"y",
    "dashes between": lambda p: b"-".join(bytes([byte]) for byte in p),
    "turned by seven": lambda p: p.lower().translate(bytes.maketrans(
        b"abcdefghijklmnopqrstuvwxyz", b"hijklmnopqrstuvwxyzabcdefg")),
}  # fmt: skip


@pytest.mark.parametrize("how", [*WRAPPED, *ONLY_PSEUDONYMS])
def test_a_pseudonym_in_a_wrapping(known, how):
    wrapped = csv((WRAPPED | ONLY_PSEUDONYMS)[how](NAMED))
    assert ("pseudonym", "a pseudonym of project sunrise") in {
        (leak.kind, leak.detail) for leak in known.leaks(wrapped)
    }


@pytest.mark.parametrize(
    "how", [how for how in WRAPPED if how not in {"two cells", "look-alike letters", "a row each"}]
)
@pytest.mark.parametrize("who", [NUMBER, CODE])
def test_an_identifier_in_a_wrapping(known, how, who):
    wrapped = csv(WRAPPED[how](who.encode().ljust(26)))
    assert "identifier" in {leak.kind for leak in known.leaks(wrapped)}


@pytest.mark.parametrize(
    "written",
    [
        "999 000 0007",
        "999-000-0007",
        "QX 44 17 029",
        "qx-4417029",
        "Quillfeather, Mary",
        "MARY QUILLFEATHER",
        "Mary,Quillfeather",
    ],
)
def test_an_identifier_as_people_write_it(known, written):
    filler = "".join(f"g{at},{at % 97},{at / 7:.6f},a note on the mean\n" for at in range(12_000))  # no small file
    for text in (f"see {written} there", f"{filler}x,{written},1\n{filler}"):
        assert "identifier" in {leak.kind for leak in known.leaks(text.encode())}


@pytest.mark.parametrize("what", ["pseudonym", "name", "number", "email"])
@pytest.mark.parametrize("wrap", [bytes.lower, base64.b64encode, bytes.upper])
def test_a_canary_names_its_project(known, what, wrap):
    for project, key in (("sunrise", KEY), ("sunset", OTHER)):
        held = getattr(next(canaries.of(key)), what)
        told = {leak.detail for leak in known.leaks(csv(wrap(held.encode()))) if leak.kind == "canary"}
        assert [f"project {project}:" in one for one in told] == [True]


def test_an_identifier_in_base64_among_hashes_in_base64(known):
    noise = [base64.b64encode(sha256(bytes([at])).digest()).decode() for at in range(40)]
    hidden = base64.b64encode(f"see {CODE} there".encode()).decode()
    assert "identifier" in {leak.kind for leak in known.leaks("\n".join([*noise, hidden, *noise]).encode())}


HONEST = {
    "a fit": "                 coef    std err          t      P>|t|      [0.025      0.975]\n"
    + "".join(f"x{at}          {at / 7:.4f}      0.0{at}    {at * 1.1:.3f}      0.{at:03}\n" for at in range(1, 40)),
    "hashes": "".join(f"{sha256(bytes([at])).hexdigest()}  file_{at}.csv\n" for at in range(200)),
    "DNA": "primer,sequence\n" + "".join(f"p{at},{'ACGTTGCAACGGTTAACCGGTTAC' * 4}\n" for at in range(50)),
    "weights": json.dumps([[math.sin(at * 7 + row) for at in range(40)] for row in range(40)]),
    "counts": "\n".join(",".join(str(10 * ((at * row) % 25)) for at in range(12)) for row in range(1, 200)),
    "moments": "\n".join(f"2026-01-{1 + at % 28:02}T10:{at % 60:02}:00Z,{20 + at}" for at in range(300)),
    "variants": "\n".join(f"rs{10_000 + 37 * at},{at % 22},{at * 99991 % 10**8},{at / 999:.3e}" for at in range(900)),
    "a package lock": "\n".join(f"pandas-{at}.whl --hash=sha256:{sha256(b'%d' % at).hexdigest()}" for at in range(90)),
    "code": "import numpy as np\nmodel.fit(X_train, y_train)  # adjusted_for_all_of_the_covariates_2\n" * 40,
}


@pytest.mark.parametrize("what", HONEST)
def test_an_honest_file_names_nobody(known, what):
    assert known.leaks(HONEST[what].encode()) == ()


def test_numbers_that_equal_some_identifiers_by_chance_name_nobody(tmp_path):
    draw = random.Random(1)
    held = [f"{draw.randrange(10**9):09}" for _ in range(30_000)]
    identifiers.write(tmp_path / "index", held, KEY)
    known = evidence.Evidence("sunrise", (), (("sunrise", KEY),), ((tmp_path / "index", KEY),))
    numbers = [f"{draw.randrange(10**9):09}" for _ in range(60_000)]
    assert known.leaks("\n".join(f"{n},1" for n in numbers).encode()) == ()
    assert known.leaks("\n".join(f"{n},1" for n in [*numbers, *held[:200]]).encode()) != ()


# --- what an extract holds -------------------------------------------------------------------------------------------
@pytest.fixture
def database():
    return ""


@pytest.fixture
def of(settings, records, now, tmp_path):
    """Gather the evidence of project sunrise anew."""
    made.an_extract(records, settings, now, tmp_path, people=SOURCE)

    def gathered():
        with records.read() as session:
            return evidence.of(session, settings, "sunrise")

    gathered.now = now
    return gathered


def test_a_copy_of_a_projects_folder_carries_its_canaries_and_no_statistic_counts_them(settings, of):
    folder = settings.extract("sunrise", "trial", 1)
    told = of().leaks((folder / canaries.FILE).read_bytes())
    assert "canary" in {leak.kind for leak in told}
    names = {each.pseudonym for each in canaries.of(pseudonyms.keys_of(settings, "sunrise").pseudonym)}
    for path in folder.glob("[!.]*.parquet"):
        assert not names & set(pq.read_table(path)["id"].to_pylist())
    assert canaries.NAME not in Dataset("trial", 1, folder).tables


def test_what_was_found_outside_names_its_project_and_its_keys(settings, of, records, tmp_path):
    with records.act(HOST, "test.build", "project/sunrise") as session:
        projects.rotate(session, "sunrise", why="a leak", actor=HOST, now=of.now)
    name = pseudonyms.pseudonym(SOURCE[3]["id"], pseudonyms.keys_of(settings, "sunrise").pseudonym)
    copied = tmp_path / "found.bin"
    copied.write_bytes(bz2.compress((settings.extract("sunrise", "trial", 1) / canaries.FILE).read_bytes()))
    folder = settings.extract("sunrise", "trial", 1)
    with records.read() as session:
        for found in (name, name.lower()[5:], str(folder / "people.parquet"), str(copied)):
            told = leaked.whose(session, settings, found)
            assert [(one.project, one.epoch) for one in told] == [("sunrise", 1)], found
        assert told[0].canaries > 0
        assert leaked.whose(session, settings, "nothing of ours") == ()


def test_an_extract_that_failed_does_not_switch_off_the_counting_of_persons(records, now, of):
    before = of().datasets
    with records.act(HOST, "test.build", "home") as session:
        row = session.scalars(select(ExtractRow)).one()
        kept = {c.name: getattr(row, c.name) for c in ExtractRow.__table__.columns if c.name != "id"}
        session.add(ExtractRow(**{**kept, "number": 2, "assessed": False}))
        audit.append(session, "test.build", actor=HOST, subject="home", at=now)
    assert of().datasets == before != ()
