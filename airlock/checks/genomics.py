"""Statistics of variants: enough of them, precise enough, tell whether a person is among those counted (N1).

Membership is told by comparing a person's genotypes with thousands of allele frequencies (Homer et al. 2008, PLoS
Genetics 4:e1000167), so sites and digits are capped together, and no allele leaves that few carry.
"""

from collections.abc import Iterator

from airlock.checks.case import Case
from airlock.checks.file import Table
from airlock.checks.finding import Exhibit, Finding, Severity
from airlock.checks.heads import find, numbers
from airlock.checks.rules import rule

SITES = ("snp", "rsid", "rs", "variant", "variant_id", "marker", "snpid", "id", "markername")
PLACES = ("chr", "chrom", "chromosome", "pos", "position", "bp")
FREQUENCIES = (
    "af",
    "maf",
    "eaf",
    "freq",
    "frequency",
    "a1freq",
    "alt_freq",
    "effect_allele_frequency",
    "allele_frequency",
)
COUNTS = ("ac", "mac", "allele_count", "alt_count", "obs_ct")
CARRIERS = ("carriers", "n_carriers", "carrier_count", "het", "n_het")
EFFECTS = ("beta", "or", "z", "effect", "log_or", "hr")


def check(case: Case) -> Iterator[Finding | Exhibit]:
    """Look at every table of variants."""
    for at, table in enumerate(case.look.tables):
        if _is_variants(table):
            yield from _few(case, table, at)
            yield from _precise(case, table, at)


def _is_variants(table: Table) -> bool:
    told = find(table, *FREQUENCIES, *COUNTS, *CARRIERS, *EFFECTS)
    return told is not None and (find(table, *SITES[:-2]) is not None or find(table, *PLACES[:3]) is not None)


def _few(case: Case, table: Table, at: int) -> Iterator[Finding]:
    for names in (COUNTS, CARRIERS):
        column = find(table, *names)
        if column is None:
            continue
        least = case.limits.smallest_carriers
        rows = [row for row, n in enumerate(numbers(table, column)) if n is not None and 0 < n < least]
        if rows:
            cells = tuple((at, row, column) for row in rows)
            yield _says(f"column {column + 1}", f"{len(rows)} alleles that fewer than {least} carry", cells)


def _precise(case: Case, table: Table, at: int) -> Iterator[Finding]:
    limits = case.limits
    if len(table.rows) > limits.largest_variants:
        yield _says(
            f"table {at + 1}", f"{len(table.rows)} variants; at most {limits.largest_variants} leave in one file", ()
        )
    column = find(table, *FREQUENCIES)
    if column is None:
        return
    fine = [row for row, cell in enumerate(table.column(column)) if _digits(cell) > limits.frequency_digits]
    if fine:
        cells = tuple((at, row, column) for row in fine)
        said = f"{len(fine)} frequencies with more than {limits.frequency_digits} digits after the point"
        yield _says(f"column {column + 1}", said, cells)


def _digits(cell: str) -> int:
    """Count digits after the point; a number with an exponent has as many as it would have without."""
    mantissa, _, exponent = cell.strip().lower().partition("e")
    digits = len(mantissa.partition(".")[2].rstrip("0"))
    return digits - int(exponent) if exponent.lstrip("+-").isdigit() else digits


def _says(where: str, message: str, cells: tuple[tuple[int, int, int], ...]) -> Finding:
    return Finding("genomics", Severity.BLOCK, where, message, rule="N1", fix=rule("N1").fix, cells=cells)
