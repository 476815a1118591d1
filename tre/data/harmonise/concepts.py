"""Which concept a code stands for: by the house's own mappings, by its vocabulary, or by the shipped mappings."""

from hashlib import sha256
from importlib.resources import files

import duckdb
import pyarrow as pa

from tre.data import engine
from tre.data.harmonise import codes, sssom
from tre.data.harmonise.vocabulary import Vocabulary

HOUSE, VOCABULARY, SHIPPED = 0, 1, 2
"""What comes first is asked first."""
_MAPPING = pa.schema([
    ("system", pa.string()), ("code", pa.string()), ("concept_id", pa.int64()), ("domain", pa.string()),
    ("exact", pa.bool_()), ("rank", pa.int64()),
])  # fmt: skip


def sql(name: str) -> str:
    """Read a query of this package."""
    return files("tre.data.harmonise").joinpath("sql").joinpath(name).read_text("utf-8")


def resolve(con: duckdb.DuckDBPyConnection, vocabulary: Vocabulary | None) -> dict[str, str]:
    """Fill `means` and `resolved` for all codes of the extract; say by which rules."""
    rules = _mappings(con, vocabulary)
    _vocabulary(con, vocabulary)
    con.execute(sql("said.sql"))
    con.register("shaped", _shaped(con.execute("SELECT system, code FROM code").fetchall()))
    systems = codes.systems()
    known = {"system": list(systems), "vocabulary": [one.vocabulary for one in systems.values()]}
    con.register("system", pa.table(known, schema=pa.schema([("system", pa.string()), ("vocabulary", pa.string())])))
    con.execute(sql("resolve.sql"))
    if vocabulary is not None and vocabulary.edition:
        rules["omop vocabulary"] = vocabulary.edition
    return rules


def _mappings(con: duckdb.DuckDBPyConnection, vocabulary: Vocabulary | None) -> dict[str, str]:
    """Fill `mapping`; return the SHA-256 of each file of it."""
    texts = [(SHIPPED, name, text) for name, text in sssom.shipped()]
    if vocabulary is not None:
        texts += [(HOUSE, path.name, path.read_text("utf-8")) for path in vocabulary.mappings]
    rows = [
        (one.system, one.code, one.concept, one.domain, one.exact and one.system in codes.systems(), rank)
        for rank, name, text in texts
        for one in sssom.read(text, name)
        if len(one.code) <= codes.LONGEST
    ]
    columns = list(zip(*rows, strict=True))
    con.register("mapping", pa.table(columns, schema=_MAPPING))
    return {f"omop mapping {name}": sha256(text.encode()).hexdigest() for _, name, text in texts}


def _vocabulary(con: duckdb.DuckDBPyConnection, vocabulary: Vocabulary | None) -> None:
    """Let `concept` and `relation` be what was loaded, or empty."""
    concept = vocabulary.parquet("concept") if vocabulary else None
    relation = vocabulary.parquet("concept_relationship") if vocabulary else None
    if concept is None or relation is None:
        con.execute("CREATE TABLE concept (concept_id BIGINT, concept_code VARCHAR, vocabulary_id VARCHAR,"
                    " domain_id VARCHAR, standard_concept VARCHAR)")  # fmt: skip
        con.execute("CREATE TABLE relation (concept_id_1 BIGINT, concept_id_2 BIGINT, relationship_id VARCHAR)")
        return
    con.execute(f"CREATE VIEW concept AS FROM read_parquet({engine.text(str(concept))})")
    con.execute(
        f"CREATE VIEW relation AS FROM read_parquet({engine.text(str(relation))})"
        " WHERE invalid_reason IS NULL AND relationship_id IN ('Maps to', 'Maps to value')"
    )


def _shaped(found: list[tuple[str | None, str | None]]) -> pa.Table:
    """Return those codes that can be of their system."""
    systems = codes.systems()
    rows = [
        (system, code, systems[system].vocabulary)
        for system, code in found
        if system is not None and code is not None and system in systems and systems[system].has(code)
    ]
    return pa.table({
        name: pa.array([row[at] for row in rows], pa.string())
        for at, name in enumerate(("system", "code", "vocabulary"))
    })  # fmt: skip
