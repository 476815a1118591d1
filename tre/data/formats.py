"""A file is what its bytes say it is, whatever its name: CSV or Parquet come in, everything else is refused by name.

Every value is read as text, exactly as it was written; what it means is the plan's to say (`tre.data.rows`). Files
are read in portions of a few megabytes, so that their size does not matter. Rows are counted as a spreadsheet does:
the header of a CSV is row 1.
"""

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from tre.errors import Unreadable

BLOCK = 8 * 1024 * 1024
PARQUET_ROWS = 131_072
HEADER = 1024 * 1024  # a header is not longer

# First bytes -> what it is, and what to do.
REFUSED = (
    (b"PK\x03\x04", "a ZIP or Excel file: save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file: save the sheet as CSV"),
    (b"\x1f\x8b", "compressed with gzip: unpack it first"),
    (b"BZh", "compressed with bzip2: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd: unpack it first"),
    (b"\xff\xfe", "UTF-16: save it as UTF-8"),
    (b"\xfe\xff", "UTF-16: save it as UTF-8"),
    (b"SQLite format 3", "an SQLite database: export each table as CSV"),
    (b"##fileformat=VCF", "a VCF: not taken as a table"),
    (b"HEADER RECORD", "a SAS transport file: save it as CSV"),
    (b"\x89HDF", "an HDF5 file: export each table as CSV"),
    (b"%PDF", "a PDF"),
    (b"{", "JSON: save it as CSV"),
)


@dataclass(frozen=True)
class Source:
    """One file that is being read: its columns, its portions of rows as text, and its hash when all is read."""

    name: str
    format: str
    columns: tuple[str, ...]
    first_row: int
    batches: Iterator[pa.RecordBatch]
    watched: "Watched"


class Watched(io.RawIOBase):
    """Passes bytes on, hashes them, and stops at the first that cannot be in a CSV."""

    def __init__(self, path: Path, *, is_text: bool) -> None:
        """Open the file."""
        super().__init__()
        self._file = path.open("rb", buffering=0)
        self._what, self._is_text = path.name, is_text
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._hash = sha256()
        self._pending = 0  # bytes of a character that the last portion cut
        self.bytes, self._line, self._quotes, self._quote_line = 0, 1, 0, 1

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of all bytes that were read."""
        return self._hash.hexdigest()

    def readable(self) -> bool:
        """Say yes."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Pass on the next bytes."""
        data = self._file.read(size) or b""
        self._hash.update(data)
        if self._is_text:
            self._look(data)
        self.bytes += len(data)
        return data

    def finish(self) -> None:
        """Hash a file that was not read from end to end."""
        self._file.seek(0)
        self._hash = file_digest(self._file, "sha256")
        self.bytes = self._file.seek(0, io.SEEK_END)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
        super().close()

    def _look(self, data: bytes) -> None:
        if (nul := data.find(b"\0")) >= 0:
            raise self._fault("a NUL byte", data, nul)
        try:
            self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise self._fault("not UTF-8", data, max(0, error.start - self._pending)) from None
        self._pending = len(self._decoder.getstate()[0])
        quotes = data.count(b'"')
        if quotes:
            self._quotes += quotes
            self._quote_line = self._line + data.count(b"\n", 0, data.rfind(b'"'))
        self._line += data.count(b"\n")
        if not data and self._quotes % 2:
            raise Unreadable(f"{self._what}, line {self._quote_line}: a quote is opened and never closed")

    def _fault(self, what: str, data: bytes, at: int) -> Unreadable:
        line = self._line + data.count(b"\n", 0, at)
        return Unreadable(f"{self._what}, line {line}, byte {self.bytes + at}: {what}; save the file as UTF-8 text")


@contextmanager
def opened(path: Path, missing: tuple[str, ...]) -> Iterator[Source]:
    """Open a file as what it is, or say why not."""
    parquet = _sniffed(path) == "parquet"
    watched = Watched(path, is_text=not parquet)
    try:
        with _read(path.name):
            yield (_parquet if parquet else _csv)(path, watched, missing)
    finally:
        watched.close()


def _sniffed(path: Path) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise Unreadable(f"{path.name}: cannot be read ({error.strerror})") from None
    if not head.strip():
        raise Unreadable(f"{path.name}: empty")
    for magic, what in REFUSED:
        if head.removeprefix(codecs.BOM_UTF8).startswith(magic):
            raise Unreadable(f"{path.name}: {what}")
    return "parquet" if head.startswith(b"PAR1") else "csv"


@contextmanager
def _read(name: str) -> Iterator[None]:
    """Say what is wrong with a file without a word of what is in it."""
    try:
        yield
    except pa.ArrowInvalid as error:
        if "straddling" in str(error):
            raise Unreadable(f"{name}: a row is longer than {BLOCK} bytes, or a quote is not closed") from None
        raise Unreadable(f"{name}: damaged, or not what its first bytes say") from None
    except (pa.ArrowNotImplementedError, pa.ArrowKeyError, pa.ArrowTypeError):
        raise Unreadable(f"{name}: written in a way that is not read here") from None


# --- CSV -------------------------------------------------------------------------------------------------------------
def _csv(path: Path, watched: Watched, missing: tuple[str, ...]) -> Source:
    names = _header(path)
    return Source(path.name, "csv", names, 2, _csv_batches(path.name, watched, names, missing), watched)


def _header(path: Path) -> tuple[str, ...]:
    """Read the first line: names, each once, separated by commas."""
    with path.open("rb") as file:
        head = file.read(HEADER).removeprefix(codecs.BOM_UTF8)
    text = head.decode("utf-8", "replace")
    try:
        names = tuple(next(csv.reader(io.StringIO(text, newline=""), strict=True)))
    except (csv.Error, StopIteration):
        raise Unreadable(f"{path.name}, line 1: no header of column names") from None
    for mark, what in (("\t", "tabs"), (";", "semicolons"), ("|", "bars")):
        if len(names) == 1 and mark in names[0]:
            raise Unreadable(f"{path.name}, line 1: columns are separated by {what}; save it with commas")
    return _once(names, f"{path.name}, line 1")


def _once(names: tuple[str, ...], where: str) -> tuple[str, ...]:
    for at, name in enumerate(names):
        if not name.strip():
            raise Unreadable(f"{where}: column {at + 1} has no name")
        if name in names[:at]:
            raise Unreadable(f"{where}: columns {names.index(name) + 1} and {at + 1} have one name")
    return names


def _csv_batches(
    name: str, watched: Watched, names: tuple[str, ...], missing: tuple[str, ...]
) -> Iterator[pa.RecordBatch]:
    ragged: list[str] = []

    def note(row: pyarrow.csv.InvalidRow) -> str:
        # An exception from here would be lost in the parser.
        ragged.append(f"{name}, row {row.number}: {row.actual_columns} values, not {row.expected_columns}")
        return "error"

    try:
        with _csv_reader(watched, names, missing, note) as reader:
            yield from reader
    except pa.ArrowInvalid:
        if ragged:
            raise Unreadable(ragged[0]) from None
        raise
    while watched.read(BLOCK):  # what stands after the last row is looked at too
        pass


def _csv_reader(
    watched: Watched, names: tuple[str, ...], missing: tuple[str, ...], note: Callable[[pyarrow.csv.InvalidRow], str]
) -> pyarrow.csv.CSVStreamingReader:
    return pyarrow.csv.open_csv(
        pa.PythonFile(watched, "r"),
        pyarrow.csv.ReadOptions(block_size=BLOCK, use_threads=False),  # threads would lose the rows' numbers
        pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=note),
        pyarrow.csv.ConvertOptions(
            column_types={column: pa.string() for column in names},
            null_values=list(missing),
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )


# --- Parquet ---------------------------------------------------------------------------------------------------------
def _parquet(path: Path, watched: Watched, missing: tuple[str, ...]) -> Source:
    watched.finish()
    file = pyarrow.parquet.ParquetFile(path)
    names = _once(tuple(file.schema_arrow.names), path.name)
    for field in file.schema_arrow:
        if pa.types.is_nested(field.type) or pa.types.is_binary(field.type):
            file.close()
            raise Unreadable(f"{path.name}, column {field.name}: {field.type} is not a value of a table")
    return Source(path.name, "parquet", names, 1, _parquet_batches(file, missing), watched)


def _parquet_batches(file: pyarrow.parquet.ParquetFile, missing: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    nothing = pa.array(missing, pa.string())
    with file:
        for batch in file.iter_batches(PARQUET_ROWS):
            columns = [_text(column, nothing) for column in batch.columns]
            yield pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _text(column: pa.Array, nothing: pa.Array) -> pa.Array:
    """Write a column's values as text, as a CSV would have them."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    text = column.cast(pa.string())
    return pc.if_else(pc.is_in(text, nothing), pa.scalar(None, pa.string()), text)
