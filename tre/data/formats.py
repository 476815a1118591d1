"""A table comes as CSV, TSV (both perhaps gzipped) or Parquet, and is read as what its bytes say it is.

Every value is read as text, exactly as it was written; what it means is the plan's to say (`tre.data.rows`). Files
are read in portions of a few megabytes, so that their size does not matter. Rows are counted as a spreadsheet does:
the header of a CSV is row 1.
"""

import codecs
import csv
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from tre.data import sniff
from tre.data.deid.stored import Kind
from tre.errors import Unreadable

BLOCK = 8 * 1024 * 1024
PARQUET_ROWS = 131_072
HEADER = 1024 * 1024  # a header is not longer
GZIPPED = 256 * 1024  # bytes that are unpacked at a time
FREE, RATIO = 64 * 1024 * 1024, 200
"""What a gzip file may unpack to: so many bytes, and so many times its size."""
TABLES = frozenset({Kind.CSV, Kind.TSV, Kind.PARQUET})


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

    def __init__(self, file: BinaryIO, name: str, *, is_text: bool, gzipped: bool = False) -> None:
        """Take the file from its first byte on."""
        super().__init__()
        file.seek(0)
        self._file = file
        self._what, self._is_text = name, is_text
        self._zipped = Unzipped(file, name) if gzipped else None
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
        data = (self._zipped or self._file).read(size) or b""
        self._hash.update(data)
        if self._is_text:
            self._look(data)
        self.bytes += len(data)
        return data

    def finish(self) -> None:
        """Hash a file that was not read from end to end."""
        self._file.seek(0)
        self._hash = sha256()
        while data := self._file.read(BLOCK):
            self._hash.update(data)
        self.bytes = self._file.tell()

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


class Unzipped:
    """Reads what is in a gzip file, and stops when that is out of all proportion."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Take the file from where it stands."""
        self._file, self._what = file, name
        self._stream = zlib.decompressobj(wbits=31)
        self._read = self._given = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most `BLOCK`; none at the end."""
        most = BLOCK if size < 0 else min(size, BLOCK)
        try:
            found = self._next(most)
        except zlib.error:
            raise Unreadable(f"{self._what}: compressed with gzip, and damaged") from None
        self._given += len(found)
        if self._given > FREE + RATIO * self._read:
            raise Unreadable(f"{self._what}: unpacks to more than {RATIO} times its size: made to fill a disk")
        return found

    def _next(self, most: int) -> bytes:
        """Return bytes, of this member or of the one behind it; nothing when all is done."""
        while True:
            if self._stream.eof:
                rest = self._stream.unused_data or self._more()
                if not rest:
                    return b""
                self._stream = zlib.decompressobj(wbits=31)
            else:
                rest = self._stream.unconsumed_tail
            found = self._stream.decompress(rest, most)
            if found or self._stream.eof:
                if found:
                    return found
                continue
            rest = self._more()
            if not rest:
                raise Unreadable(f"{self._what}: compressed with gzip, and cut off")
            found = self._stream.decompress(rest, most)
            if found:
                return found

    def _more(self) -> bytes:
        data = self._file.read(GZIPPED)
        self._read += len(data)
        return data


@contextmanager
def opened(source: Path | BinaryIO, missing: tuple[str, ...], *, name: str = "") -> Iterator[Source]:
    """Open a file as what it is, or say why not."""
    with ExitStack() as held:
        file = held.enter_context(_opened(source)) if isinstance(source, Path) else source
        name = name or (source.name if isinstance(source, Path) else "")
        found = _sniffed(file, name)
        with _read(name):
            if found.kind is Kind.PARQUET:
                yield _parquet(file, name, missing)
            else:
                yield _csv(file, name, missing, found)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        raise Unreadable(f"{path.name}: cannot be read ({error.strerror})") from None


def _sniffed(file: BinaryIO, name: str) -> sniff.Sniffed:
    file.seek(0)
    try:
        found = sniff.sniff(file.read(sniff.HEAD))
    except Unreadable as error:
        raise Unreadable(f"{name}: {error}") from None
    if found.kind not in TABLES:
        raise Unreadable(f"{name}: a {found.kind} file, not a table")
    return found


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
def _csv(file: BinaryIO, name: str, missing: tuple[str, ...], found: sniff.Sniffed) -> Source:
    names = _header(Watched(file, name, is_text=False, gzipped=found.gzipped), name, found.delimiter)
    watched = Watched(file, name, is_text=True, gzipped=found.gzipped)
    batches = _csv_batches(name, watched, names, missing, found.delimiter)
    return Source(name, str(found.kind), names, 2, batches, watched)


def _header(watched: Watched, name: str, delimiter: str) -> tuple[str, ...]:
    """Read the first line: names, each once, separated by commas or tabs."""
    head = watched.read(HEADER).removeprefix(codecs.BOM_UTF8)
    text = head.decode("utf-8", "replace")
    try:
        names = tuple(next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)))
    except (csv.Error, StopIteration):
        raise Unreadable(f"{name}, line 1: no header of column names") from None
    for mark, what in ((";", "semicolons"), ("|", "bars")):
        if len(names) == 1 and mark in names[0]:
            raise Unreadable(f"{name}, line 1: columns are separated by {what}; save it with commas")
    return _once(names, f"{name}, line 1")


def _once(names: tuple[str, ...], where: str) -> tuple[str, ...]:
    for at, name in enumerate(names):
        if not name.strip():
            raise Unreadable(f"{where}: column {at + 1} has no name")
        if name in names[:at]:
            raise Unreadable(f"{where}: columns {names.index(name) + 1} and {at + 1} have one name")
    return names


def _csv_batches(
    name: str, watched: Watched, names: tuple[str, ...], missing: tuple[str, ...], delimiter: str
) -> Iterator[pa.RecordBatch]:
    ragged: list[str] = []

    def note(row: pyarrow.csv.InvalidRow) -> str:
        # An exception from here would be lost in the parser.
        ragged.append(f"{name}, row {row.number}: {row.actual_columns} values, not {row.expected_columns}")
        return "error"

    try:
        with _csv_reader(watched, names, missing, note, delimiter) as reader:
            yield from reader
    except pa.ArrowInvalid:
        if ragged:
            raise Unreadable(ragged[0]) from None
        raise
    while watched.read(BLOCK):  # what stands after the last row is looked at too
        pass


def _csv_reader(
    watched: Watched,
    names: tuple[str, ...],
    missing: tuple[str, ...],
    note: Callable[[pyarrow.csv.InvalidRow], str],
    delimiter: str,
) -> pyarrow.csv.CSVStreamingReader:
    return pyarrow.csv.open_csv(
        pa.PythonFile(watched, "r"),
        pyarrow.csv.ReadOptions(block_size=BLOCK, use_threads=False),  # threads would lose the rows' numbers
        pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=note),
        pyarrow.csv.ConvertOptions(
            column_types={column: pa.string() for column in names},
            null_values=list(missing),
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )


# --- Parquet ---------------------------------------------------------------------------------------------------------
def _parquet(source: BinaryIO, name: str, missing: tuple[str, ...]) -> Source:
    watched = Watched(source, name, is_text=False)
    watched.finish()
    file = pyarrow.parquet.ParquetFile(pa.PythonFile(source, "r"))
    names = _once(tuple(file.schema_arrow.names), name)
    for field in file.schema_arrow:
        if pa.types.is_nested(field.type) or pa.types.is_binary(field.type):
            file.close()
            raise Unreadable(f"{name}, column {field.name}: {field.type} is not a value of a table")
    return Source(name, "parquet", names, 1, _parquet_batches(file, missing), watched)


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
