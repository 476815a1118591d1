"""A folder of mixed kinds: a linkage, a table, and files that the stand-in looks at."""

from tests.builders import HOST
from tests.tre.data import made
from tre.data import ingest

PLAN = """
missing: [""]
linkage: {name: hospital}
tables:
  labs:
    subject: mrn
    columns:
      mrn: {action: pseudonym, of: subject, system: ehr, id: mrn, reason: the person}
      value: {action: keep, type: number, reason: measured}
variants: {system: lab, sample: sample}
quasi_identifiers: []
"""
LINKAGE = "system,type,value,subject\n" + "".join(
    f"ehr,mrn,M{at},p{at}\nlab,sample,S{at},p{at}\n" for at in range(1, 6)
)
LABS = "mrn,value\nM1,1.5\nM2,2.5\nM9,3\n,4\n"


def vcf(word="plain", *ids, size=0):
    return f"##fileformat=VCF\n{word}\n{','.join(ids)}\n".encode() + b"#" * size


def folder(at, **more):
    """Write the folder; `more` are files by name without suffix."""
    at.mkdir(parents=True, exist_ok=True)
    files = {
        "linkage.csv": LINKAGE.encode(),
        "labs.csv": LABS.encode(),
        "one.vcf": vcf("plain", "S1"),
        "two.vcf": vcf("plain", "S2", "S3"),
    }
    for name, content in {**files, **{f"{name}.vcf": content for name, content in more.items()}}.items():
        (at / name).write_bytes(content)
    return at


def bring_in(records, settings, now, *paths, plan=PLAN, name="mixed", ticks=ingest.no_ticks):
    made.register(records, now, plan=plan, name=name)
    return ingest.ingest(records, settings, name, paths, actor=HOST, now=now, ticks=ticks)
