"""What anybody in the house may read of a dataset: what is held and where it comes from, in words and rounded counts.

It is written once, when a version comes in, and holds no value of the data: names of columns, not what stands in them.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from policies import duo
from tre.data.deid.plan import Plan

NEAREST = 10
KINDS = {
    "dicom": "images (DICOM)",
    "vcf": "variants (VCF)",
    "bcf": "variants (BCF)",
    "bam": "reads (BAM)",
    "cram": "reads (CRAM)",
    "fhir": "clinical records (FHIR)",
}
_ORDER = {kind: place for place, kind in enumerate(KINDS)}


@dataclass(frozen=True)
class Held:
    """How much of one kind of data there is."""

    files: int
    records: int


def rounded(count: int) -> str:
    """Say a count so that one person more or less does not show."""
    if count == 0:
        return "none"
    return f"about {round(count / NEAREST) * NEAREST:,}" if count >= NEAREST else f"fewer than {NEAREST}"


def data_use(code: str) -> str:
    """Say a code of the Data Use Ontology in words; a disease may follow it: DS:MONDO_0005148."""
    use = duo.parse(code)
    return f"{code}: {use.row.label}" if use.row else code


def entry(
    plan: Plan, *, title: str, persons: int, rows: Mapping[str, int], kinds: Mapping[str, Held]
) -> dict[str, object]:
    """Return the catalogue's entry of one version. `rows` is by table, `kinds` all that is not a table."""
    return {
        "title": title,
        "about": asdict(plan.about),
        "data_use": list(duo.said(plan.use)) if plan.use else [data_use(code) for code in plan.about.duo],
        "persons": rounded(persons),
        "tables": [
            {
                "name": table.name,
                "rows": rounded(rows.get(table.name, 0)),
                "columns": [
                    {"name": one.name, "type": str(one.type), "action": str(one.action), "reason": one.reason}
                    for one in table.columns
                ],
            }
            for table in plan.tables
        ],
        "kinds": [
            {
                "kind": kind,
                "name": KINDS.get(kind, kind),
                "files": rounded(held.files),
                "records": rounded(held.records),
            }
            for kind, held in sorted(kinds.items(), key=lambda each: _ORDER.get(each[0], len(_ORDER)))
        ],
        "made": ["omop"] if plan.omop is not None else [],
        "linkage": plan.linkage_name or (f"table {plan.linkage}" if plan.linkage else ""),
        "quasi_identifiers": [".".join(place) for place in plan.quasi_identifiers],
    }
