"""Results that must leave and data in disguise that must not, made anew from a real trial: ACTG175, 2,139 persons.

`HONEST` and `DISGUISES` are tables of name -> maker(trial) -> a file with what its author says about it; `LIMITS` are
disguises that nobody sees through, kept to say so. `Trial` is the trial as a project has it.
"""

import base64
import bz2
import codecs
import gzip
import io
import json
import lzma
import math
import pickle
import random
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, PngImagePlugin

DATASET, TABLE = "actg", "trial"
COLUMNS = ["age", "wtkg", "hemo", "homo", "drugs", "karnof", "race", "gender", "symptom", "arms", "cd40", "cd420", "cd80",
           "cens", "days"]  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """The trial with this project's pseudonyms in `person`, and identifiers of its source."""

    data: pd.DataFrame
    identifiers: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        return list(self.data["person"])


@dataclass(frozen=True)
class Sent:
    """A file as its author sends it."""

    name: str
    content: bytes
    about: Mapping[str, object] = field(default_factory=dict)
    beside: tuple["Sent", ...] = ()
    """What is sent with it: the numbers of a picture."""


Maker = Callable[[Trial], Sent]
HONEST: dict[str, Maker] = {}
DISGUISES: dict[str, Maker] = {}
LIMITS: dict[str, Maker] = {}


def _into(table: dict[str, Maker], name: str) -> Callable[[Maker], Maker]:
    def put(make: Maker) -> Maker:
        assert name not in table
        table[name] = make
        return make

    return put


def honest(name: str) -> Callable[[Maker], Maker]:
    return _into(HONEST, name)


def disguise(name: str) -> Callable[[Maker], Maker]:
    return _into(DISGUISES, name)


def limit(name: str) -> Callable[[Maker], Maker]:
    return _into(LIMITS, name)


def csv(frame: pd.DataFrame, **how) -> bytes:
    return frame.to_csv(index=False, lineterminator="\n", **how).encode()


def made(by, measures, *, cohort="", **more) -> dict[str, object]:
    return {
        "kind": "table", "context": "a table of the paper", "controls": "groups of ten and more",
        "made": {"dataset": DATASET, "version": 1, "table": TABLE, "cohort": cohort, "dimensions": list(by),
                 "measures": dict(measures), **more},
    }  # fmt: skip


def counted(t: Trial, by, cohort="", where=None, name="counts.csv", *, least=10, **more) -> Sent:
    """Persons by groups, small groups left out."""
    data = t.data if where is None else t.data[where(t.data)]
    frame = data.groupby(by).size().reset_index(name="n") if by else pd.DataFrame({"n": [len(data)]})
    return Sent(name, csv(frame[frame["n"] >= least]), made(by, {"n": "persons"}, cohort=cohort, **more))


def means(t: Trial, by, column, verb="mean", digits=1, name="means.csv") -> Sent:
    groups = t.data.groupby(by)
    frame = groups.size().reset_index(name="n")
    frame[f"{verb}_{column}"] = getattr(groups[column], "std" if verb == "sd" else verb)().round(digits).to_numpy()
    said = made(by, {"n": "persons", f"{verb}_{column}": f"{verb}({column})"})
    return Sent(name, csv(frame[frame["n"] >= 30]), said)


# --- honest: tables ---------------------------------------------------------------------------------------------------
for nth, by in enumerate(
    (["arms"], ["gender"], ["race", "gender"], ["arms", "cens"], ["symptom"], ["arms", "gender"], ["drugs"], [])
):
    honest(f"counts by {' and '.join(by) or 'nothing'}")(
        lambda t, by=by, nth=nth: counted(t, by, name=f"counts{nth}.csv")
    )
for column in ("age", "wtkg", "cd40", "cd420", "cd80"):
    honest(f"mean {column} by arm")(lambda t, column=column: means(t, ["arms"], column, name=f"mean-{column}.csv"))
honest("standard deviation of cd40 by arm")(lambda t: means(t, ["arms"], "cd40", "sd", name="sd-cd40.csv"))
honest("mean days by gender")(lambda t: means(t, ["gender"], "days", name="days.csv"))
honest("counts of a cohort")(lambda t: counted(t, ["arms"], "age >= 30", lambda d: d.age >= 30, "cohort.csv"))
honest("counts of an older cohort")(lambda t: counted(t, ["gender"], "age >= 40", lambda d: d.age >= 40, "older.csv"))


@honest("Table 1 in words")
def _table1(t: Trial) -> Sent:
    d = t.data
    lines = ["| characteristic | value |", "|---|---|", f"| persons, n | {len(d)} |"]
    for column in ("gender", "homo", "drugs", "symptom"):
        lines.append(f"| {column}, n (%) | {int(d[column].sum())} ({100 * d[column].mean():.1f}%) |")
    for column in ("age", "wtkg", "cd40"):
        lines.append(f"| {column}, mean (SD) | {d[column].mean():.1f} ({d[column].std():.1f}) |")
    return Sent("table1.md", ("\n".join(lines) + "\n").encode(), {"kind": "text", "context": "Table 1 of the paper"})


@honest("shares with their counts")
def _shares(t: Trial) -> Sent:
    groups = t.data.groupby("arms")["cens"]
    frame = pd.DataFrame(
        {
            "arms": sorted(t.data["arms"].unique()),
            "n": groups.size().to_numpy(),
            "share": groups.mean().round(3).to_numpy(),
        }
    )
    return Sent("shares.csv", csv(frame), made(["arms"], {"n": "persons", "share": "proportion(cens = 1)"}))


@honest("counts rounded to five")
def _rounded(t: Trial) -> Sent:
    frame = t.data.groupby(["arms", "gender"]).size().reset_index(name="n")
    frame["n"] = (frame["n"] / 5).round().astype(int) * 5
    return Sent("rounded.csv", csv(frame), made(["arms", "gender"], {"n": "persons"}, round_to=5))


@honest("a cross table with totals")
def _crossed(t: Trial) -> Sent:
    frame = pd.crosstab(t.data["arms"], t.data["gender"], margins=True, margins_name="total").reset_index()
    return Sent(
        "crossed.csv",
        frame.to_csv(index=False, lineterminator="\n").encode(),
        {"kind": "table", "context": "arms by gender"},
    )


@honest("counts as JSON")
def _json(t: Trial) -> Sent:
    rows = t.data.groupby("arms").size().reset_index(name="n").to_dict("records")
    return Sent(
        "counts.json",
        json.dumps([{k: int(v) for k, v in row.items()} for row in rows]).encode(),
        made(["arms"], {"n": "persons"}),
    )


# --- honest: models ---------------------------------------------------------------------------------------------------
def _ols(t: Trial, outcome: str, regressors: list[str]) -> pd.DataFrame:
    x = np.column_stack([np.ones(len(t.data)), t.data[regressors].to_numpy(float)])
    y = t.data[outcome].to_numpy(float)
    inverse = np.linalg.inv(x.T @ x)
    coef = inverse @ x.T @ y
    left = y - x @ coef
    error = np.sqrt(np.diag(inverse) * (left @ left) / (len(y) - x.shape[1]))
    return pd.DataFrame({"term": ["Intercept", *regressors], "coef": coef, "std_err": error, "t": coef / error}).round(
        4
    )


def fitted(outcome, regressors, name) -> Maker:
    about = {"kind": "regression", "context": "Table 3", "more": {
        "dataset": DATASET, "table": TABLE, "outcome": outcome, "regressors": regressors, "method": "ols"}}  # fmt: skip
    return lambda t: Sent(name, csv(_ols(t, outcome, regressors)), about)


honest("a linear model")(fitted("cd420", ["age", "wtkg", "cd40"], "ols.csv"))
honest("a linear model with 0/1 regressors")(fitted("cd420", ["gender", "symptom", "drugs", "cd40"], "ols2.csv"))
honest("a model of a yes or no")(fitted("cens", ["age", "cd40", "symptom"], "lpm.csv"))


@honest("model coefficients as text")
def _summary(t: Trial) -> Sent:
    said = _ols(t, "cd420", ["age", "cd40"]).to_string(index=False)
    about = {"kind": "regression", "context": "a model in the text", "more": {
        "dataset": DATASET, "table": TABLE, "outcome": "cd420", "regressors": ["age", "cd40"]}}  # fmt: skip
    return Sent("model.txt", f"Linear model of cd420\n\n{said}\n".encode(), about)


@honest("model coefficients as JSON")
def _coefficients(t: Trial) -> Sent:
    frame = _ols(t, "cd420", ["age", "cd40"])
    said = {
        "model": "ols",
        "coefficients": {row.term: row.coef for row in frame.itertuples()},
        "observations": len(t.data),
    }
    return Sent("model.json", json.dumps(said).encode(), {"kind": "text", "context": "coefficients for a calculator"})


@honest("a ROC curve")
def _roc(t: Trial) -> Sent:
    score, case = -t.data["cd40"].to_numpy(), t.data["cens"].to_numpy() == 1
    cuts = np.quantile(score, np.linspace(0, 1, 21))
    rows = [(round(float((score[case] >= c).mean()), 2), round(float((score[~case] >= c).mean()), 2)) for c in cuts]
    return Sent(
        "roc.csv",
        csv(pd.DataFrame(rows, columns=["sensitivity", "false_positive_rate"])),
        {"kind": "figure", "context": "ROC, 21 points"},
    )


# --- honest: survival -------------------------------------------------------------------------------------------------
def _km(t: Trial, bins: int, end: int = 1200) -> pd.DataFrame:
    days, event, alive, rows = t.data["days"].to_numpy(), t.data["cens"].to_numpy() == 1, 1.0, []
    for at in range(0, end, bins):
        risk = int((days >= at).sum())
        died = int((event & (days >= at) & (days < at + bins)).sum())
        alive *= 1 - died / risk
        rows.append((at + bins, round(alive, 3), risk, died))
    return pd.DataFrame(rows, columns=["time", "survival", "at_risk", "events"])


KM = {"kind": "survival", "context": "Kaplan-Meier with its risk table, steps of 150 days"}
honest("a Kaplan-Meier curve with its risk table")(lambda t: Sent("km.csv", csv(_km(t, 150, 1050)), KM))


def picture(seed=0, size=(320, 240)) -> bytes:
    pixels = np.full((size[1], size[0], 3), 255, np.uint8)
    for x in range(20, size[0] - 10):
        y = int(size[1] * (0.2 + 0.5 * x / size[0] + 0.03 * math.sin(x / 9 + seed)))
        pixels[y - 1 : y + 1, x] = (30, 60, 140)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def _drawn(name: str, numbers: Callable[[Trial], Sent], seed: int) -> Maker:
    def make(t: Trial) -> Sent:
        table = numbers(t)
        beside = Sent(f"{name}-numbers.csv", table.content, {**table.about, "supports": f"{name}.png"})
        return Sent(f"{name}.png", picture(seed), {"kind": "figure", "context": name}, (beside,))

    return make


honest("a curve as a picture with its numbers")(
    _drawn("km-curve", HONEST["a Kaplan-Meier curve with its risk table"], 1)
)
honest("a bar chart with its numbers")(_drawn("bars", HONEST["counts by arms"], 2))


# --- honest: genomics -------------------------------------------------------------------------------------------------
@honest("a GWAS summary")
def _gwas(t: Trial) -> Sent:
    chance = random.Random(5)
    rows = [
        (f"rs{1000 + n}", chance.randint(1, 22), round(chance.gauss(0, 0.1), 3), float(f"{chance.random():.2g}"))
        for n in range(200)
    ]
    return Sent(
        "gwas.csv",
        csv(pd.DataFrame(rows, columns=["snp", "chrom", "beta", "p"])),
        {"kind": "genomics", "context": "top variants"},
    )


honest("a Manhattan plot with its numbers")(_drawn("manhattan", HONEST["a GWAS summary"], 3))


@honest("allele frequencies, coarse")
def _frequencies(t: Trial) -> Sent:
    chance = random.Random(6)
    rows = [(f"rs{n}", round(chance.uniform(0.05, 0.5), 2)) for n in range(50)]
    return Sent(
        "maf.csv",
        csv(pd.DataFrame(rows, columns=["rsid", "maf"])),
        {"kind": "genomics", "context": "frequencies of 50 variants"},
    )


# --- honest: texts, programs, weights ---------------------------------------------------------------------------------
TEXTS = {
    "a paragraph of a paper": (
        "text.md",
        "We compared four arms in 2139 persons. The hazard ratio was 0.52 (95% CI 0.42 to 0.64).\n",
    ),
    "an analysis plan": ("plan.txt", "1. Compare arms by a log-rank test.\n2. Adjust for CD4 count at the start.\n"),
    "a program": (
        "model.md",
        "```python\nimport pandas as pd\nframe = pd.read_parquet('/data/actg/trial.parquet')\nprint(frame.groupby('arms').size())\n```\n",
    ),
    "a log with a hash of a commit": (
        "run.log",
        "started 2026-05-01\ncommit 3f786850e387550fdab836ed7e6dc881de23001b\nconverged after 14 steps\n",
    ),
    "settings as JSON": ("settings.json", '{"learning_rate": 0.01, "epochs": 40, "layers": [16, 8]}'),
    "a codebook": (
        "codebook.csv",
        "column,meaning\nage,age in years\ncd40,CD4 count at the start\narms,treatment arm\n",
    ),
    "results of tests": ("tests.csv", "comparison,statistic,p\nlog-rank,31.2,0.001\nwilcoxon,2.41,0.016\n"),
    "quantities of power": ("power.csv", "effect,power\n0.1,0.21\n0.2,0.66\n0.3,0.94\n"),
    "correlations": (
        "correlations.csv",
        "variable,age,wtkg,cd40\nage,1,0.12,-0.05\nwtkg,0.12,1,0.03\ncd40,-0.05,0.03,1\n",
    ),
}
for name, (file, text) in TEXTS.items():
    honest(name)(
        lambda t, file=file, text=text: Sent(file, text.encode(), {"kind": "text", "context": "as its name says"})
    )


@honest("a notebook without outputs")
def _notebook(t: Trial) -> Sent:
    cell = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": ["1 + 1"]}
    return Sent(
        "analysis.ipynb",
        json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode(),
        {"kind": "code", "context": "the analysis"},
    )


# --- disguises: rows ----------------------------------------------------------------------------------------------------
def rows_of(t: Trial, count=300, columns=COLUMNS) -> pd.DataFrame:
    return t.data[columns].head(count)


def said_table(name, content) -> Sent:
    return Sent(name, content, {"kind": "table", "context": "Table 2"})


ROWS: dict[str, tuple[str, Callable[[Trial], bytes]]] = {
    "rows as they are": ("t.csv", lambda t: csv(rows_of(t))),
    "rows with pseudonyms": ("t.csv", lambda t: csv(t.data[["person", "age", "arms"]].head(40))),
    "rows renamed, shuffled and reordered": ("t.csv", lambda t: csv(
        rows_of(t).sample(frac=1, random_state=1)[COLUMNS[::-1]].rename(columns=lambda c: f"v{COLUMNS.index(c)}"))),
    "five columns of rows": ("t.csv", lambda t: csv(rows_of(t, columns=["age", "wtkg", "cd40", "cd80", "days"]))),
    "rows with values rounded": ("t.csv", lambda t: csv(rows_of(t, columns=["age", "wtkg", "cd40", "cd420", "cd80", "days"]).assign(
        wtkg=lambda d: d.wtkg.round()))),
    "rows transposed": ("t.csv", lambda t: csv(rows_of(t, 60).T.reset_index())),
    "rows as JSON records": ("t.json", lambda t: json.dumps(rows_of(t).to_dict("records")).encode()),
    "rows as JSON columns": ("t.json", lambda t: json.dumps(rows_of(t).to_dict("list")).encode()),
    "rows as a text table": ("t.txt", lambda t: rows_of(t, 80).to_string(index=False).encode()),
    "rows as a Markdown table": ("t.md", lambda t: "\n".join(
        ["|" + "|".join(COLUMNS) + "|", "|" + "---|" * len(COLUMNS), *("|" + "|".join(map(str, r)) + "|" for r in rows_of(t, 80).itertuples(index=False))]).encode()),
    "points of a scatter plot": ("points.csv", lambda t: csv(rows_of(t, columns=["wtkg", "cd40"]).rename(columns={"wtkg": "x", "cd40": "y"}))),
    "rows in a notebook's cell": ("t.ipynb", lambda t: json.dumps({"cells": [{"cell_type": "markdown", "metadata": {}, "source": [
        rows_of(t, 60).to_string(index=False)]}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()),
    "rows in a notebook's output": ("t.ipynb", lambda t: json.dumps({"cells": [{"cell_type": "code", "execution_count": 1, "metadata": {}, "source": ["x"],
        "outputs": [{"output_type": "stream", "name": "stdout", "text": rows_of(t, 60).to_string()}]}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()),
    "groups of one person": ("t.csv", lambda t: csv(t.data.groupby(["age", "wtkg", "cd40"]).size().reset_index(name="n").head(200))),
    "counts called something else": ("t.csv", lambda t: csv(t.data.groupby(["arms", "age"]).size().reset_index(name="weighting"))),
    "small counts in words": ("t.md", lambda t: b"Deaths: 3 (1.2%) on placebo (n=4), 2 on zidovudine.\n\n| arm | n |\n|---|---|\n| a | 3 |\n| b | 2 |\n"),
}  # fmt: skip
for name, (file, build) in ROWS.items():
    disguise(name)(lambda t, name=name, file=file, build=build: said_table(f"{len(name)}-{file}", build(t)))


# --- disguises: names of people -----------------------------------------------------------------------------------------
def homoglyphs(text: str) -> str:
    return text.translate(str.maketrans("AEOPCTX", "ΑΕΟΡСТХ"))


WRITTEN: dict[str, Callable[[str], bytes]] = {
    "plain": lambda n: n.encode(),
    "base64": lambda n: base64.b64encode(n.encode()),
    "base32": lambda n: base64.b32encode(n.encode()),
    "base85": lambda n: base64.b85encode(n.encode()),
    "ascii85": lambda n: base64.a85encode(n.encode()),
    "hex": lambda n: n.encode().hex().encode(),
    "decimal numbers": lambda n: " ".join(map(str, n.encode())).encode(),
    "gzip in base64": lambda n: base64.b64encode(gzip.compress(n.encode(), mtime=0)),
    "zlib in base64": lambda n: base64.b64encode(zlib.compress(n.encode())),
    "xz in base64": lambda n: base64.b64encode(lzma.compress(n.encode())),
    "bzip2 in base64": lambda n: base64.b64encode(bz2.compress(n.encode())),
    "backwards": lambda n: n[::-1].encode(),
    "rot13": lambda n: codecs.encode(n, "rot13").encode(),
    "zero-width signs between": lambda n: "\u200b".join(n).encode(),
    "spaces between": lambda n: " ".join(n).encode(),
    "look-alike letters": lambda n: homoglyphs(n).encode(),
    "percent escapes": lambda n: "".join(f"%{ord(c):02X}" for c in n).encode(),
    "HTML entities": lambda n: "".join(f"&#{ord(c)};" for c in n).encode(),
    "backslash escapes": lambda n: "".join(f"\\u{ord(c):04x}" for c in n).encode(),
    "UTF-16 in base64": lambda n: base64.b64encode(n.encode("utf-16")),
    "quoted-printable": lambda n: "".join(f"={ord(c):02X}" for c in n).encode(),
    "in small letters, without its prefix": lambda n: n.split("-", 1)[-1].lower().encode(),
}
for name, write in WRITTEN.items():
    disguise(f"a pseudonym, {name}")(lambda t, name=name, write=write: Sent(
        f"note-{len(name)}-{name[:3].strip()}.txt", b"The model converged.\n" + write(t.names[7]) + b"\nDone.\n",
        {"kind": "text", "context": "a note"}))  # fmt: skip
disguise("an identifier of the source")(
    lambda t: Sent("note-id.txt", f"See {t.identifiers[0]}.\n".encode(), {"kind": "text"})
)
disguise("a pseudonym in the file's name")(lambda t: Sent(f"{t.names[3]}.txt", b"Done.\n", {"kind": "text"}))
disguise("a pseudonym down a column, a letter a row")(
    lambda t: said_table("letters.csv", ("l\n" + "\n".join(t.names[9]) + "\n").encode())
)


# --- disguises: other formats under harmless names ----------------------------------------------------------------------
VCF = b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tA\tB\n1\t10\t.\tA\tG\t.\tPASS\t.\tGT\t0/1\t1/1\n"


def parquet(t: Trial) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(rows_of(t), preserve_index=False), out)
    return out.getvalue()


def sqlite(t: Trial) -> bytes:
    with sqlite3.connect(":memory:") as base:
        rows_of(t).to_sql("t", base, index=False)
        return base.serialize()


def zipped(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


def dicom() -> bytes:
    return struct.pack("<HH2sH", 8, 0x60, b"CS", 2) + b"CT" + struct.pack("<HH2sH", 16, 16, b"PN", 8) + b"Doe^Jane"


def noted(**chunks: str) -> bytes:
    out, info = io.BytesIO(), PngImagePlugin.PngInfo()
    for key, value in chunks.items():
        info.add_text(key, value, zip=True)
    Image.open(io.BytesIO(picture())).save(out, "PNG", pnginfo=info)
    return out.getvalue()


FORMATS: dict[str, tuple[str, Callable[[Trial], bytes]]] = {
    "VCF as text": ("result.txt", lambda t: VCF),
    "VCF as CSV": ("result.csv", lambda t: VCF),
    "FASTQ as text": ("reads.txt", lambda t: b"@r1\nACGTACGTACGT\n+\nIIIIIIIIIIII\n" * 4),
    "BAM as PNG": ("figure.png", lambda t: gzip.compress(b"BAM\1" + bytes(40), mtime=0)),
    "PLINK genotypes as text": ("g.txt", lambda t: b"\x6c\x1b\x01" + bytes(60)),
    "a genotype matrix as CSV": ("g.csv", lambda t: csv(pd.DataFrame(np.random.default_rng(2).integers(0, 3, (60, 40)), columns=[f"rs{n}" for n in range(40)]))),
    "DICOM without its preamble as text": ("scan.txt", lambda t: dicom()),
    "a FHIR bundle as JSON": ("b.json", lambda t: b'{"type": "collection", "entry": [{"resource": {"resourceType": "Patient", "id": "1"}}], "resourceType": "Bundle"}'),
    "Parquet as CSV": ("p.csv", parquet),
    "SQLite as text": ("s.txt", sqlite),
    "a pickle as JSON": ("m.json", lambda t: pickle.dumps(rows_of(t).to_dict("list"))),
    "rows in gzip as CSV": ("z.csv", lambda t: gzip.compress(csv(rows_of(t)), mtime=0)),
    "rows in a zip behind a picture": ("pz.png", lambda t: picture() + zipped("t.csv", csv(rows_of(t)))),
    "rows in a picture's text": ("pt.png", lambda t: noted(Comment=rows_of(t, 40).to_csv(index=False))),
    "rows as HTML": ("t.html", lambda t: b"<script>var rows=" + rows_of(t).to_json(orient="records").encode() + b"</script>"),
    "rows in an SVG": ("t.svg", lambda t: ("<svg xmlns='http://www.w3.org/2000/svg'>" + "".join(
        f"<circle cx='{r.wtkg}' cy='{r.cd40}' r='1'/>" for r in rows_of(t).itertuples()) + "</svg>").encode()),
    "rows in base64 in JSON": ("b64.json", lambda t: json.dumps({"weights": base64.b64encode(csv(rows_of(t).assign(person=t.names[:300]))).decode()}).encode()),
    "a spreadsheet": ("book.xlsx", lambda t: zipped("xl/workbook.xml", b"<workbook/>")),
    "an archive of tables": ("all.zip", lambda t: zipped("t.csv", csv(rows_of(t)))),
    "a CSV with a formula": ("f.csv", lambda t: b"name,n\n=HYPERLINK(1),30\n"),
}  # fmt: skip
for name, (file, build) in FORMATS.items():
    disguise(name)(lambda t, file=file, build=build: Sent(file, build(t), {"kind": "table", "context": "Table 2"}))


# --- disguises: statistics that tell a person ---------------------------------------------------------------------------
disguise("the largest value of each arm")(lambda t: means(t, ["arms"], "wtkg", "max", name="max.csv"))
disguise("the smallest value of each arm")(lambda t: means(t, ["arms"], "wtkg", "min", name="min.csv"))
disguise("small groups")(lambda t: counted(t, ["age", "gender"], name="small.csv", least=1))
disguise("a table that says it counts persons and does not")(lambda t: Sent(
    "lie.csv", b"arms,n\n0,900\n1,20\n2,524\n3,561\n", made(["arms"], {"n": "persons"})))  # fmt: skip
disguise("a fit with a column of its own for one person")(fitted("wtkg", ["age", "alone"], "alone.csv"))
disguise("a survival curve of single deaths")(lambda t: Sent("steps.csv", csv(_km(t, 3).query("events > 0")), KM))
disguise("residuals of a fit")(lambda t: Sent("residuals.csv", csv(pd.DataFrame({"resid": (t.data.wtkg - t.data.wtkg.mean()).round(4)}).head(400)), {"kind": "regression", "context": "fit"}))  # fmt: skip
disguise("allele frequencies to nine digits")(lambda t: Sent("maf9.csv", b"rsid,maf\n" + b"".join(b"rs%d,0.1234567%02d\n" % (n, n) for n in range(50)), {"kind": "genomics", "context": "maf"}))  # fmt: skip
disguise("a hidden cell that its totals tell")(lambda t: Sent("hidden.csv", b"arms,men,women,total\na,400,*,404\nb,300,100,400\ntotal,700,104,804\n", {"kind": "table", "context": "by arm"}))  # fmt: skip


# --- what nobody sees -----------------------------------------------------------------------------------------------------
@limit("a value hidden in the lowest bits of a picture")
def _lowest_bits(t: Trial) -> Sent:
    pixels = np.asarray(Image.open(io.BytesIO(picture()))).copy()
    bits = np.unpackbits(np.frombuffer(t.names[0].encode(), np.uint8))
    flat = pixels.reshape(-1)
    flat[: len(bits)] = (flat[: len(bits)] & 0xFE) | bits
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    table = HONEST["counts by arms"](t)
    return Sent(
        "bits.png",
        out.getvalue(),
        {"kind": "figure"},
        (Sent("bits.csv", table.content, {**table.about, "supports": "bits.png"}),),
    )


@limit("rows with each value multiplied and moved")
def _affine(t: Trial) -> Sent:
    frame = rows_of(t, 45, ["wtkg", "cd40"])
    moved = (frame * 1.7 + 3.1).round(2).rename(columns={"wtkg": "x", "cd40": "y"})
    return Sent("affine.csv", csv(moved), {"kind": "figure", "context": "points of a plot"})


@limit("a number in the words chosen")
def _words(t: Trial) -> Sent:
    words = ("the", "a", "this", "that")
    said = " ".join(words[(t.names[0].encode()[at // 4 % 30] >> 2 * (at % 4)) & 3] + " model" for at in range(120))
    return Sent("words.txt", said.encode(), {"kind": "text"})
