"""What a file is, and how its numbers can be made again, is written down beside it: the airlock reads it there.

tre.describe("curve.png", kind="figure", context="Figure 2 of the paper")
tre.describe("table2.csv", kind="table", context="Table 2", controls="arms below ten left out",
             made=tre.made("trial", by=["arm", "sex"], measures={"n": "persons", "weight": "mean(weight)"},
                           where="age >= 40", hidden_below=10))
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tre.notebook import exports
from tre.notebook.data import datasets
from tre.notebook.errors import Refused

KINDS = ("table", "figure", "regression", "survival", "genomics", "model", "text", "code")


def made(
    dataset: str,
    *,
    by: Sequence[str] = (),
    measures: Mapping[str, str],
    where: str = "",
    table: str | None = None,
    hidden_below: int = 0,
    round_to: int = 1,
) -> dict[str, object]:
    """Say how a table was made: of which dataset, of whom (`where`), by what, and what each measured column is.

    `measures` names heads of the file: persons, sum(c), mean(c), sd(c), median(c), percentile(c, 0.25), min(c),
    max(c), mode(c) or proportion(condition), where `c` is a column of the data. All are over persons, not rows.
    """
    held = datasets()[dataset]
    return {
        "dataset": held.name,
        "version": held.version,
        "table": table or held.file(table).relative_to(held.path).with_suffix("").as_posix(),
        "cohort": where,
        "dimensions": list(by),
        "measures": dict(measures),
        "suppress_below": hidden_below,
        "round_to": round_to,
    }


def describe(
    path: str | Path,
    *,
    kind: str,
    context: str,
    controls: str = "",
    made: Mapping[str, object] | None = None,
    supports: str = "",
    **more: object,
) -> Path:
    """Write down what a file of /outbox is; return where it is written.

    `controls` says what was done so that nobody is disclosed, `supports` names the picture whose numbers these are,
    and `more` is what the kind asks for besides (`outcome`, `regressors` of a regression).
    """
    if kind not in KINDS:
        raise Refused(f"no kind {kind}", remedies=[f"say one of {', '.join(KINDS)}"])
    if not context.strip():
        raise Refused("say what the file shows", remedies=["context='Table 2 of the paper'"])
    texts = {"kind": kind, "context": context, "controls": controls, "supports": supports}
    said: dict[str, object] = {**texts, "made": made, "more": more}
    beside = exports.beside(path)
    beside.write_text(json.dumps({name: value for name, value in said.items() if value}, indent=1) + "\n", "utf-8")
    return beside
