"""The golden cohort goes into two projects: what was done right, what was left, what can be linked.

The table is printed, and kept in this folder's README.md as it was when it was last measured.
"""

import time
from pathlib import Path

import pytest

from tests.golden import across, score
from tests.golden.journey import PROJECTS

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- golden: written by test_golden.py -->\n", "<!-- golden: end -->\n"
NAMES = {
    "table": "tables", "fhir": "FHIR", "omop": "OMOP", "dicom": "DICOM", "variants": "VCF, BCF", "reads": "BAM, CRAM",
}  # fmt: skip
INACCURATE = 0.1
"""Percent of all answers; the best team of MIDI-B 2024 had 0.07 on images."""


@pytest.fixture(scope="module")
def scores(golden):
    return {name: score.score(folder, golden.key, golden.project(name)) for name, folder in golden.extracts.items()}


@pytest.fixture(scope="module")
def common(golden):
    copies = [across.Copy(folder, golden.project(name)) for name, folder in golden.extracts.items()]
    sizes = {kind: len(names) for kind, names in copies[0].names.items()} | {"order": len(copies[0].orders)}
    return across.overlap(*copies), sizes


def test_actions_leaks_and_links_of_the_golden_cohort(golden, scores, common, report):
    rows = [_row(kind, scores) for kind in score.kinds(scores[PROJECTS[0]].asked)]
    asked = sum(made.asked.total() for made in scores.values())
    wrong, leaks = (sum(len(part) for part in parts) for parts in zip(*map(_faults, scores.values()), strict=True))
    met = [across.met(folder, golden.key, golden.project(name)) for name, folder in golden.extracts.items()]
    people = sum(len(one) for one in met)
    agree = sum(person.agree for one in met for person in one.values())
    overlap, sizes = common
    report("golden: answers not as expected", 100 * wrong / asked, "%", INACCURATE, f"{asked} answers, 2 projects")
    report("golden: planted values left", leaks, "", 0, f"{len(golden.key.planted)} values, every file, unpacked")
    report("golden: persons not one in all carriers", people - agree, "", 0, f"{people}, 2 projects")
    report("golden: names or orders two projects share", sum(overlap.values()), "", 0, f"{sum(sizes.values())}")
    table = _markdown(rows, asked, wrong, leaks, len(golden.key.planted), agree, people, overlap, sizes)
    print("\n" + table)
    _keep(table)
    assert (wrong, leaks, agree, set(overlap.values())) == (0, 0, people, {0}), "see the table"


def test_the_golden_delivery_is_taken_in_a_while(golden, report):
    began = time.perf_counter()
    assert golden.tre("dataset", "ingest", "golden", golden.delivery).code == 0
    report("golden: front door, 198 files of all kinds", time.perf_counter() - began, "s")


def _faults(made):
    return made.wrong, made.leaks


def _row(kind, scores):
    asked = sum(made.asked[kind] for made in scores.values())
    wrong = sum(row.kind == kind for made in scores.values() for row, _ in made.wrong)
    folder = {"table": "table"}.get(kind, kind)
    left = sum(_where(what) == folder for made in scores.values() for what in made.leaks)
    return NAMES[kind], asked, wrong, left


def _where(what):
    place = what.split(" in ", 1)[1]
    return place.split("/", 1)[0] if "/" in place else "table"


def _markdown(rows, asked, wrong, leaks, planted, agree, people, overlap, sizes):
    lines = ["| kind | answers | as expected | planted values left |", "|---|---:|---:|---:|"]
    lines += [f"| {name} | {many:,} | {_percent(many, faults)} | {left} |" for name, many, faults, left in rows]
    lines += [f"| **all** | {asked:,} | **{_percent(asked, wrong)}** | **{leaks}** of {planted} |", ""]
    lines += ["| across | there are | measured | target |", "|---|---:|---:|---:|"]
    one = _percent(people, people - agree)
    lines.append(f"| persons with one pseudonym and one shift in all carriers | {people} | {one} | 100 % |")
    lines += [f"| {_kind(what)} | {sizes[what]:,} | {many} | 0 |" for what, many in overlap.items()]
    return "\n".join(lines) + "\n"


def _kind(what):
    return "orders that tell that of the other project" if what == "order" else f"{what}s in both projects"


def _percent(many, faults):
    """Round down, so that nothing is called 100 % that is not."""
    return f"{int(1e5 * (many - faults) / many) / 1e3:g} %"


def _keep(table):
    text = README.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", "utf-8")
