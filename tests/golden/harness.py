"""Each kind's `make` alone on the golden delivery, without records, silo or front door: for a quick look."""

import csv
import importlib
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from pathlib import Path

from tests.golden import score
from tre.data.deid import plan as plans
from tre.data.deid.pseudonyms import Naming, PatientId, ProjectKeys
from tre.data.deid.stored import Kind, Stored, Summary, nobody
from tre.data.deid.who import Who

KINDS = {
    "fhir": (Kind.FHIR,),
    "dicom": (Kind.DICOM,),
    "variants": (Kind.VCF, Kind.BCF),
    "reads": (Kind.BAM, Kind.CRAM),
}
SUFFIXES = {
    ".dcm": Kind.DICOM,
    ".bam": Kind.BAM,
    ".cram": Kind.CRAM,
    ".bcf": Kind.BCF,
    ".json": Kind.FHIR,
    ".ndjson": Kind.FHIR,
}


def a_project(name: str) -> score.Project:
    """Return a project with keys of its own."""
    first, second = (sha256(f"{name} {what}".encode()).digest() for what in ("names", "days"))
    return score.Project(Naming(ProjectKeys(first, second)))


def who(delivery: Path, project: score.Project, withdrawn: frozenset[str] = frozenset()) -> Who:
    """Read linkage.csv by itself."""
    with (delivery / "linkage.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    into = {row["value"]: row["subject"] for row in rows if row["system"] == "subject"}
    links: dict[tuple[str, str], dict[str, PatientId]] = {}
    for row in rows:
        subject = row["subject"]
        while subject in into:
            subject = into[subject]
        if row["system"] != "subject":
            mine = links.setdefault((row["system"], row["type"]), {})
            mine[row["value"]] = PatientId(f"{score.LINKAGE}:{subject}")
    return Who(project.naming, links, frozenset(PatientId(f"{score.LINKAGE}:{one}") for one in withdrawn))


def stored(delivery: Path) -> list[Stored]:
    """Return the files as the silo would hand them over."""
    found = []
    for path in sorted(delivery.rglob("*")):
        kind = SUFFIXES.get(path.suffix) or (
            Kind.VCF if path.name.endswith(".vcf.gz") else Kind.FHIR if path.name.endswith(".ndjson.gz") else None
        )
        if kind and path.is_file() and path.parent.name != "junk":
            content = path.read_bytes()
            name = path.relative_to(delivery).as_posix()
            found.append(
                Stored(len(found), kind, name, len(content), sha256(content).hexdigest(), partial(path.open, "rb"))
            )
    return found


def make(
    kind: str, delivery: Path, folder: Path, project: score.Project, withdrawn: frozenset[str] = frozenset()
) -> Summary:
    """Make one kind of an extract."""
    plan = plans.parse((delivery.parent / "plan.yaml").read_text("utf-8"))
    folder.mkdir(parents=True, exist_ok=True)
    everybody = who(delivery, project, withdrawn)
    if kind == "omop":
        from tre.data.harmonise import make as omop

        numbers = {project.names[one]: project.numbers[one] for one in project.names}
        return omop.make(folder, part=plan.omop, numbers=numbers, naming=project.naming)
    module = importlib.import_module(f"tre.data.deid.{kind}.make")
    files = [one for one in stored(delivery) if one.kind in KINDS[kind]]
    return module.make(files, folder, part=getattr(plan, kind), who=everybody, tell=nobody)


def tell(summary: Summary) -> str:
    """Say in a line what was made."""
    said = asdict(summary)
    return f"{summary.records} records, {len(summary.persons)} persons, held {said['held']}"
