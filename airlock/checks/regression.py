"""The coefficients of a regression tell a person's value where one record draws a coefficient to itself.

Degrees of freedom left (R1), persons behind each column of 0 and 1 and the largest leverage (R2) are made again from
the data; what is one number a record does not leave (R3).
"""

from collections.abc import Iterator

from airlock.checks.about import Sort
from airlock.checks.case import Case
from airlock.checks.file import Table
from airlock.checks.finding import Exhibit, Finding, Severity
from airlock.checks.heads import find, number, plain
from airlock.checks.rules import rule
from tre.data.measures import Why

COEFFICIENTS = ("coef", "coefficient", "estimate", "beta", "b", "log_or", "or", "hr", "odds_ratio", "hazard_ratio")
ERRORS = ("std_err", "se", "stderr", "std_error", "bse", "robust_se", "se_coef")
TESTS = ("p", "p_value", "pvalue", "p_t", "p_z", "pr_t", "pr_z", "z", "t", "statistic", "wald")
RECORDS = frozenset({
    "residual", "residuals", "resid", "fitted", "fittedvalues", "fitted_values", "predicted", "prediction",
    "predictions",
    "linear_predictor", "hat", "leverage", "cooks_d", "cooks_distance", "dffits", "deviance_residual", "martingale",
    "random_effect", "random_effects", "blup", "ranef", "propensity", "propensity_score", "risk_score", "prs", "score",
})  # fmt: skip
FREEDOM = ("df_resid", "df_residual", "dof", "df_residuals", "residual_df")
FEW = 5
"""A table of fewer rows is no list of records."""


def check(case: Case) -> Iterator[Finding | Exhibit]:
    """Look at a table of coefficients, and at lists of one number a record."""
    for at, table in enumerate(case.look.tables):
        yield from _records(table, at)
        if case.about.kind is not Sort.REGRESSION and _is_coefficients(table):
            yield _says(Severity.WARN, "R2", f"table {at + 1}", "looks like coefficients, and nothing says of what fit")
        yield from _freedom(table, at, case)
    if case.about.kind is Sort.REGRESSION:
        yield from _made_again(case)


def _is_coefficients(table: Table) -> bool:
    return find(table, *COEFFICIENTS) is not None and find(table, *ERRORS, *TESTS) is not None


def _records(table: Table, at: int) -> Iterator[Finding]:
    for column, head in enumerate(table.heads):
        if plain(head) in RECORDS and len(table.rows) >= FEW and len(set(table.column(column))) >= len(table.rows) / 2:
            yield _says(
                Severity.BLOCK, "R3", f"column {column + 1}", "one number for each record of the fit", (at, -1, column)
            )


def _freedom(table: Table, at: int, case: Case) -> Iterator[Finding]:
    column = find(table, *FREEDOM)
    for row, cell in enumerate(table.column(column) if column is not None else ()):
        said = number(cell)
        if column is not None and said is not None and said < case.limits.smallest_dof:
            yield _says(
                Severity.BLOCK,
                "R1",
                f"column {column + 1}, row {row + 1}",
                "too few degrees of freedom",
                (at, row, column),
            )


def _made_again(case: Case) -> Iterator[Finding | Exhibit]:
    more = case.about.more
    if lacking := [name for name in ("dataset", "table", "outcome", "regressors") if not more.get(name)]:
        yield _says(
            Severity.BLOCK, "R2", "description", f"does not say {', '.join(lacking)}: the fit cannot be looked at"
        )
        return
    found = case.evidence.regressed(more)
    if isinstance(found, Why):
        yield _says(Severity.BLOCK, "R2", "description", found.says)
        return
    yield Exhibit(
        "fit", {"persons": found.persons, "records": found.records, "rank": found.rank, "leverage": found.leverage}
    )
    limits = case.limits
    if found.freedom < limits.smallest_dof:
        yield _says(
            Severity.BLOCK,
            "R1",
            "file",
            f"{found.freedom} degrees of freedom by persons; at least {limits.smallest_dof}",
        )
    if found.leverage > limits.largest_leverage:
        yield _says(
            Severity.BLOCK,
            "R2",
            "file",
            f"a record has leverage {found.leverage:.3f}; at most {limits.largest_leverage}",
        )
    few = [term.name for term in found.terms if min(term.ones, term.zeros) < limits.smallest_count]
    if few:
        yield _says(
            Severity.BLOCK,
            "R2",
            "file",
            f"{len(few)} of its 0/1 columns hold fewer than {limits.smallest_count} persons",
        )
    if found.categorical and found.cells <= found.rank:
        yield _says(Severity.BLOCK, "R2", "file", "the fit is saturated: its coefficients are a table of means")


def _says(severity: Severity, name: str, where: str, message: str, *cells: tuple[int, int, int]) -> Finding:
    return Finding("regression", severity, where, message, rule=name, fix=rule(name).fix, cells=cells)
