"""Reads carry tags; those that are known stay where their values are what they should be, all others go.

That a whole file needs no change is proved by samtools: what it writes when it keeps only the known tags, and only the
reads whose values fit, is as long as what it writes when it keeps everything.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from itertools import islice

import pysam

from tre.data.deid import bgzf, htslib
from tre.data.deid.reads import header as headers
from tre.data.deid.reads import source
from tre.data.deid.reads.rules import Rules
from tre.data.deid.reads.source import Source
from tre.errors import Unreadable

WITHOUT_BASES = ["--input-fmt-option", "required_fields=0xc03", "--input-fmt-option", "decode_md=0"]
"""Name, flag and tags of a CRAM can be read without its reference."""
_ASKABLE = re.compile(r"[A-Za-z0-9_ .:-]+")
_UNREADABLE = "its reads cannot be read"
FIRST = 2000
"""Reads whose tags are taken for those of all, until proved."""


def clean(found: Source, rules: Rules) -> bool:
    """Say whether every tag of every read may stay as it is; refuse what holds no reads."""
    try:
        whole = _length(found, _proved(found), [])
    except Unreadable as fault:
        raise Unreadable(_UNREADABLE if str(fault) == htslib.FAILED else str(fault)) from None
    groups = [line.said["ID"] for line in found.header.groups]
    if not all(_ASKABLE.fullmatch(one) for one in groups):
        return False
    known = frozenset([*rules.numbers, *rules.texts, "RG", "PG"])
    first = _first_tags(found)
    # to ask of few tags is fast, and if there are others after all, all are asked
    return first <= known and any(_kept_length(found, rules, groups, asked) == whole for asked in (first, known))


def _first_tags(found: Source) -> frozenset[str]:
    """Return the tags of the first reads."""
    names: set[bytes] = set()
    fast = WITHOUT_BASES if found.cram else []
    with suppress(Unreadable), htslib.output("samtools", "view", "--no-PG", *fast, "-", feed=found.raw()) as out:
        for line in islice(out, FIRST):
            names.update(word[:2] for word in line.split(b"\t")[11:])
    return frozenset(name.decode("ascii", "replace") for name in names)


def _kept_length(found: Source, rules: Rules, groups: list[str], asked: AbstractSet[str]) -> int | None:
    """Count the bytes of the reads with these tags alone; None if one holds what samtools cannot judge."""
    question = _question(found, rules, groups, asked)
    try:
        asking = ["-e", question] if question else []
        return _length(found, found.raw(), ["--keep-tag", ",".join(sorted(asked)) or "zz", *asking])
    except Unreadable:
        return None


def _length(found: Source, feed: Iterator[bytes], words: list[str]) -> int:
    """Count the bytes of the reads as samtools writes them."""
    fast = WITHOUT_BASES if found.cram else []
    seen = [0]
    with htslib.output("samtools", "view", "-u", "--no-PG", *words, *fast, "-", feed=feed) as out:
        try:
            clear = _counted(bgzf.inflate(out), seen)  # type: ignore[arg-type]  # a pipe is read from start to end
            skip = source.read(clear).skip
            deque(clear, maxlen=0)
        except Unreadable:
            raise Unreadable(_UNREADABLE) from None
    return seen[0] - skip


def _counted(pieces: Iterator[bytes], seen: list[int]) -> Iterator[bytes]:
    for piece in pieces:
        seen[0] += len(piece)
        yield piece


def _proved(found: Source) -> Iterator[bytes]:
    """Yield the file, each block proved on its way."""
    if found.cram:
        yield from found.raw()
        return
    found.file.seek(0)
    for block in bgzf.blocks(found.file):
        bgzf.opened(block)
        yield block


def _question(found: Source, rules: Rules, groups: list[str], asked: AbstractSet[str]) -> str:
    """Write what is asked of each read, in samtools' language."""
    shapes = {tag: shape.pattern for tag, shape in rules.texts.items()}
    shapes["RG"] = _one_of(groups)
    shapes["PG"] = _one_of(headers.programs(found.header, rules))
    fits = [f"(!exists([{tag}])||[{tag}]*0==0)" for tag in rules.numbers if tag in asked]
    fits += [f'(!exists([{tag}])||[{tag}]=~"^({shape})$")' for tag, shape in shapes.items() if tag in asked]
    return "&&".join(fits)


def _one_of(names: list[str] | tuple[str, ...]) -> str:
    return "|".join(name.replace(".", "[.]") for name in names) or "[.][.]"


def rewrite(
    found: Source,
    rules: Rules,
    text: bytes,
    path: str,
    *,
    groups: Mapping[str, str],
    rename: Callable[[str], str] | None,
) -> None:
    """Write each read anew: known tags alone, its group's new id, its new name."""
    programs = frozenset(headers.programs(found.header, rules))

    def reads() -> None:
        with (
            pysam.AlignmentFile("-", "rb", check_sq=False) as old,
            pysam.AlignmentFile(path, "wb", template=old, threads=2) as new,
        ):
            for read in old.fetch(until_eof=True):
                if rename is not None and read.query_name:
                    read.query_name = rename(read.query_name)
                tags = read.get_tags(with_value_type=True)
                kept = [one for one in (_kept(tag, rules, groups, programs) for tag in tags) if one is not None]
                if kept != tags:
                    read.set_tags(kept)
                new.write(read)

    htslib.work(reads, feed=found.swapped(text))


Tag = tuple[str, object, str]


def _kept(tag: Tag, rules: Rules, groups: Mapping[str, str], programs: frozenset[str]) -> Tag | None:
    name, value, kind = tag
    if kind in {"Z", "A"}:
        text = str(value)
        if name == "RG":
            return (name, groups[text], kind) if text in groups else None
        if name == "PG":
            return tag if text in programs else None
        shape = rules.texts.get(name)
        return tag if shape is not None and shape.fullmatch(text) else None
    if kind == "B":
        return tag if name in rules.arrays else None
    return tag if name in rules.numbers else None
