"""The header of a file of reads says who, where and how it was made; the new one says only what is known."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tre.data.deid.reads.rules import Rules
from tre.errors import Unreadable

_M5 = re.compile(r"[0-9a-fA-F]{32}")
_LENGTH = re.compile(r"\d{1,10}", re.ASCII)
_NOT_A_NAME = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Line:
    """One line `@KEY` with its words."""

    key: str
    said: Mapping[str, str]


@dataclass(frozen=True)
class Header:
    """What the header of a source says, as far as anyone here reads it."""

    lines: tuple[Line, ...]
    groups: tuple[Line, ...]
    """The read groups."""
    others: int
    """Lines of no known kind: comments."""

    @property
    def samples(self) -> tuple[str, ...]:
        """Each different sample, in its order."""
        return tuple(dict.fromkeys(line.said["SM"] for line in self.groups if "SM" in line.said))

    @property
    def contigs(self) -> tuple[Line, ...]:
        """The reference sequences."""
        return tuple(line for line in self.lines if line.key == "SQ")


def parse(raw: bytes) -> Header:
    """Read a header's text."""
    texts = [line.rstrip("\r") for line in raw.rstrip(b"\0").decode("utf-8", "surrogateescape").split("\n")]
    lines = [one for one in map(_line, filter(None, texts)) if one is not None]
    groups = tuple(line for line in lines if line.key == "RG")
    names = [line.said.get("ID", "") for line in groups]
    if "" in names or len(set(names)) != len(names):
        raise Unreadable("a read group has no ID, or two have the same")
    if any(not name.strip() or _NOT_A_NAME.search(name) for line in groups for name in [line.said.get("SM", "-")]):
        raise Unreadable("a sample has no name, or one with control characters")
    return Header(tuple(lines), groups, sum(map(bool, texts)) - len(lines))


def _line(text: str) -> Line | None:
    key, *words = text.split("\t")
    if key not in {"@HD", "@SQ", "@RG", "@PG"}:
        return None
    return Line(key[1:], {word[:2]: word[3:] for word in words if word[2:3] == ":"})


def neutral(header: Header, rules: Rules) -> bool:
    """Say whether the read groups' ids are such that they may stay."""
    return all(rules.is_a("group", line.said["ID"]) for line in header.groups)


def groups_anew(header: Header, rules: Rules, order: Callable[[str], bytes]) -> Mapping[str, str]:
    """Return id -> id in the extract: the same if all are neutral, else numbers in a drawn order."""
    ids = [line.said["ID"] for line in header.groups]
    if neutral(header, rules):
        return {one: one for one in ids}
    return {one: f"rg{at}" for at, one in enumerate(sorted(ids, key=order), 1)}


def known_contigs(header: Header, rules: Rules) -> bool:
    """Say whether all reference sequences have names of known shapes."""
    return all(rules.is_a("contig", line.said.get("SN", "")) for line in header.contigs)


def programs(header: Header, rules: Rules) -> tuple[str, ...]:
    """Return the ids of @PG lines that may stay: a known program, perhaps with a number."""
    ids = (line.said.get("ID", "") for line in header.lines if line.key == "PG")
    return tuple(dict.fromkeys(one for one in ids if _program(one, rules)))


def _program(name: str, rules: Rules) -> bool:
    return any(name.startswith(one) and rules.is_a("program", name[len(one) :]) for one in rules.programs)


def rebuilt(header: Header, rules: Rules, groups: Mapping[str, str], samples: Mapping[str, str]) -> bytes:
    """Write the new header: `groups` and `samples` say what each is called now."""
    kept = set(programs(header, rules))
    lines = [_head(header, rules), *(_sequence(line.said, rules) for line in header.contigs)]
    lines += [_group(line.said, rules, groups, samples) for line in header.groups]
    lines += [
        _joined("PG", _program_words(line.said, rules, kept))
        for line in header.lines
        if line.key == "PG" and line.said.get("ID") in kept
    ]
    return ("\n".join(dict.fromkeys(lines)) + "\n").encode()


def _joined(key: str, words: Mapping[str, str] | Iterator[tuple[str, str]]) -> str:
    return "\t".join([f"@{key}", *(f"{word}:{value}" for word, value in dict(words).items())])


def _head(header: Header, rules: Rules) -> str:
    said = next((line.said for line in header.lines if line.key == "HD"), {})
    words = {word: said[word] for word, shape in rules.head.items() if shape.fullmatch(said.get(word, ""))}
    return _joined("HD", {"VN": "1.6", **words})


def _sequence(said: Mapping[str, str], rules: Rules) -> str:
    words = {"SN": said["SN"]}
    if _LENGTH.fullmatch(said.get("LN", "")):
        words["LN"] = said["LN"]
    if _M5.fullmatch(said.get("M5", "")):
        words["M5"] = said["M5"]
    if said.get("AS") in rules.assemblies:
        words["AS"] = said["AS"]
    return _joined("SQ", words)


def _group(said: Mapping[str, str], rules: Rules, groups: Mapping[str, str], samples: Mapping[str, str]) -> str:
    words = {"ID": groups[said["ID"]], "SM": samples[said["SM"]]}
    if said.get("PL", "").upper() in rules.platforms:
        words["PL"] = said["PL"].upper()
    return _joined("RG", words)


def _program_words(said: Mapping[str, str], rules: Rules, kept: set[str]) -> Iterator[tuple[str, str]]:
    yield "ID", said["ID"]
    if said.get("PN") in rules.programs:
        yield "PN", said["PN"]
    if said.get("PP") in kept:
        yield "PP", said["PP"]
    if rules.is_a("version", said.get("VN", "")):
        yield "VN", said["VN"]
