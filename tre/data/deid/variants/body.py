"""Each record of a variant file is read column by column; what is not known is taken out of it, or it is left out.

A record that comes out as it went in is clean. Where all are, the compressed blocks may be copied as they are.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

from tre.data.deid.variants.header import OTHER, Header, Known, declared, octets
from tre.data.deid.variants.rules import PEOPLE, SITE, Field, Rules
from tre.errors import Unreadable

ALLELES_EACH = 2
MOST = 50_000
"""Different words that are remembered."""
_POSITION = re.compile(rb"\d{1,10}")
_BREAKEND = re.compile(rb"[ACGTNacgtn.]{0,1000}[\[\]]<?([^\[\]<>]+)>?:\d{1,10}[\[\]][ACGTNacgtn.]{0,1000}")
_NUMBERS = b"0123456789.,:;|/+-eE\t"
_BASES = b"ACGTN_*"


@dataclass
class Body:
    """Cleans the records of one file."""

    header: Header
    may: Known
    rules: Rules
    short: bool = False
    """Whether some of the people of the file are left out: what sums over all of them goes too."""
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Prepare what is asked for each record."""
        self._info = {name.encode(): rule for name, rule in self.may.info.items()}
        self._format = {name.encode(): rule for name, rule in self.may.format.items()}
        self._filters = {b".", b"PASS", *(octets(name) for name in self.may.filters)}
        self._declared = {octets(name) for name in declared(self.header)}
        self._contigs: dict[bytes, bool] = {}
        self._formats: dict[bytes, _Format] = {}
        self._columns = 9 if self.header.genotypes else 8
        self._tabs = len(self.header.samples) - 1

    def contigs(self) -> list[str]:
        """Return the known contigs of the records so far."""
        return [name.decode("ascii") for name, known in self._contigs.items() if known]

    def clean(self, line: bytes) -> bytes | None:
        """Return a record (a line without its end) as it may stay, or None."""
        columns = line.split(b"\t", 9)
        if len(columns) != self._columns + (self._tabs >= 0) or (
            self._tabs >= 0 and columns[9].count(b"\t") != self._tabs
        ):
            raise Unreadable("a record has not as many columns as the header")
        chrom, position, name, ref, alt, quality, filters, info = columns[:8]
        if not self._placed(chrom, position, ref, alt):
            return None
        columns[2] = self._name(name)
        columns[5] = self._quality(quality)
        columns[6] = self._filter(filters)
        columns[7] = self._cleaned(info)
        if self.header.genotypes and not self._genotypes(columns):
            return None
        return b"\t".join(columns)

    def _placed(self, chrom: bytes, position: bytes, ref: bytes, alt: bytes) -> bool:
        if not self._contig(chrom) or _POSITION.fullmatch(position) is None:
            self.counts["record on an unknown contig"] += 1
            return False
        known = self.rules.is_a("ref", ref) and all(self._allele(one) for one in alt.split(b","))
        if not known:
            self.counts["record with an unknown allele"] += 1
        return known

    def _contig(self, name: bytes) -> bool:
        known = self._contigs.get(name)
        if known is None:
            known = self.rules.is_a("contig", name) and (not self._declared or name in self._declared)
            if len(self._contigs) < MOST:
                self._contigs[name] = known
        return known

    def _allele(self, one: bytes) -> bool:
        if self.rules.is_a("alt", one):
            return True
        end = _BREAKEND.fullmatch(one)
        return end is not None and self._contig(end[1])

    def _name(self, name: bytes) -> bytes:
        if name == b".":
            return name
        kept = [one for one in name.split(b";") if self.rules.is_a("id", one)]
        if len(kept) == name.count(b";") + 1:
            return name
        self.counts["ID of no known kind"] += 1
        return b";".join(kept) or b"."

    def _quality(self, said: bytes) -> bytes:
        return said if self.rules.values["Float"].fullmatch(said) and b"," not in said else b"."

    def _filter(self, said: bytes) -> bytes:
        if said in self._filters:
            return said
        kept = [one if one in self._filters else OTHER.encode() for one in said.split(b";")]
        self.counts["FILTER of no known name"] += OTHER.encode() in kept
        return b";".join(dict.fromkeys(kept))

    def _cleaned(self, info: bytes) -> bytes:
        if info == b".":
            return info
        kept, gone, alleles, people = [], 0, b"", 0
        for one in info.split(b";"):
            key, _, value = one.partition(b"=")
            rule = self._info.get(key)
            if rule is None or not _fits(rule, value) or (self.short and rule.about != SITE):
                gone += 1
                continue
            people += rule.about == PEOPLE
            alleles = value if key == b"AN" else alleles
            kept.append(one)
        if people and not self._of_these(alleles):
            kept = [one for one in kept if self._info[one.partition(b"=")[0]].about != PEOPLE]
            self.counts["counts of other people"] += 1
        if gone:
            self.counts["INFO of no known kind"] += gone
        return b";".join(kept) or b"."

    def _of_these(self, alleles: bytes) -> bool:
        """Say whether so many alleles can be of the samples of this file."""
        return alleles.isdigit() and int(alleles) <= ALLELES_EACH * len(self.header.samples)

    def _genotypes(self, columns: list[bytes]) -> bool:
        """Clean FORMAT and the samples' columns in place; say whether they can stay."""
        how = self._formats.get(columns[8])
        if how is None:
            how = self._how(columns[8])
            if len(self._formats) < MOST:
                self._formats[columns[8]] = how
        columns[8] = how.said
        if self._tabs < 0:
            return True
        if how.kept is not None:
            self.counts["FORMAT of no known kind"] += 1
            columns[9] = b"\t".join([_picked(one.split(b":"), how.kept) for one in columns[9].split(b"\t")])
        if how.free or not _rest(columns[9], how.letters):
            return True
        self.counts["record with values not of their fields"] += 1
        return False

    def _how(self, said: bytes) -> "_Format":
        names = said.split(b":")
        kept = [at for at, name in enumerate(names) if name in self._format]
        return _Format(
            said=b":".join(names[at] for at in kept) or b".",
            kept=None if len(kept) == len(names) or said == b"." else tuple(kept),
            letters=_NUMBERS + (_BASES if b"PID" in names else b""),
            free=any(self._format[names[at]].shape is None for at in kept),
        )


@dataclass(frozen=True)
class _Format:
    said: bytes
    kept: tuple[int, ...] | None
    """Places of what stays; None if all do."""
    letters: bytes
    free: bool
    """Whether the plan lets a text of any letters stay."""


def _picked(values: list[bytes], kept: tuple[int, ...]) -> bytes:
    return b":".join([values[at] for at in kept if at < len(values)]) or b"."


def _rest(samples: bytes, letters: bytes) -> bytes:
    """Return what in the samples' columns is no number."""
    rest = samples.translate(None, letters)
    return rest and rest.replace(b"nan", b"").replace(b"inf", b"")


def _fits(rule: Field, value: bytes) -> bool:
    return rule.shape is None or rule.shape.fullmatch(value) is not None
