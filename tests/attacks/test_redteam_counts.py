"""Few people, written as a paper writes them: not as a bare number under the name of a count."""

import pytest

from airlock.checks import counts, kinds, tables, thresholds
from airlock.checks.file import File

TEN = thresholds.load("default")


def severities(name: str, text: str, *, groups=()) -> set[str]:
    """What the check of counts says of a file, at its worst and besides."""
    found = [
        finding
        for table in tables.tables(File(name, name.rpartition(".")[2], text.encode()))
        for finding in counts.check(table, None, TEN, groups=groups)
        if finding.where != "file"
    ]
    return {str(each.severity) for each in found}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "characteristic,n (%)\nfemale,3 (1.2%)\nmale,250 (98.8%)\n"),
        ("t.csv", "characteristic,Placebo (N=532)\nfemale,3 (0.6%)\nmale,529 (99.4%)\n"),
        ("t.csv", "characteristic,Zidovudine\nfemale,3 [0.6%]\nmale,529 [99.4%]\n"),
        ("t.csv", "sex,deaths\nf,3/520\nm,12/500\n"),
        ("t.csv", "sex,deaths\nf,3 of 520\nm,12 of 500\n"),
        ("t.csv", "arm (n=4),mean\nx,1.5\n"),
        ("t.csv", "arm,mean\nrare (n = 4),1.5\n"),
        ("t.txt", "Table 1. Counts of people\nsex  n\nf  3\nm  400\n"),
        ("t.txt", "sex  n\nf  3\nm  400\nSource: the trial\n"),
        ("t.md", "| sex | n (%) |\n|---|---|\n| f | 3 (1%) |\n| m | 400 (99%) |\n"),
    ],
)
def test_a_small_count_written_as_papers_write_it(name, text):
    assert "block" in severities(name, text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "race,died,alive\nwhite,3,520\nother,11,400\n"),
        ("t.json", '{"died": 3, "alive": 520}'),
        ("t.csv", "sex,deaths\nf,3\u200b\nm,500\n"),
        ("t.csv", "sex,deaths\nf,3e0\nm,500\n"),
        ("t.csv", "sex,deaths\nf,three 3\nm,500\n"),
    ],
)
def test_what_may_be_a_small_count_is_shown_to_the_approvers(name, text):
    assert "warn" in severities(name, text)


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("term,coef,se,p\nage,0.02,0.01,0.04\n", ()),
        ("sex,n (%)\nf,30 (12%)\nm,220 (88%)\n", ()),
        ("sex,n\nf,<10\nm,220\n", ()),
        ("x,median (IQR)\nage,34 (29-40)\nweight,7 (5-9)\n", ()),
        ("n_group,arm,n\n10,1,30\n20,2,40\n", (1,)),
    ],
)
def test_results_of_many_are_left_alone(text, groups):
    assert severities("t.csv", text, groups=groups) == set()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.json", b'{"id": "1", "entry": [], "resourceType": "Bundle"}'),
        ("t.json", b'[{"resourceType" : "Patient", "gender": "female"}]'),
        ("t.txt", b"my results\n##fileformat=VCFv4.2\n#CHROM\tPOS\tID\n"),
        ("t.csv", b"chrom,pos\n#CHROM\tPOS\tID\n1\t100\trs1\n"),
        ("t.txt", b"a note\n@SQ\tSN:1\tLN:1000\n"),
    ],
)
def test_records_of_people_behind_other_words_are_raw(name, content):
    assert kinds.sniff(name, content) == "raw"
