"""A project whose data are ACTG175, 2,139 persons, and a way for many files through its whole airlock."""

import io
import json
from contextlib import contextmanager
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from airlock import asks, requests
from airlock.checks import kinds
from airlock.tables import RequestRow
from tests.airlock.house import House
from tests.attacks import corpus
from tests.builders import HOST, a_dataset, an_approval
from tre.data import actg175, evidence, identifiers
from tre.data.deid import pseudonyms
from tre.errors import TREError
from tre.records import audit, schema
from tre.records.db import opened
from tre.records.tables import ExtractRow
from tre.settings import load

AT_ONCE = 18
"""Files of one request; the pictures among them bring their numbers along."""
SOURCE = ("QX4417029", "ZB9931175")


@contextmanager
def a_trial(home):
    """The house of that project, and its data as it has them."""
    settings = load(home / "home")
    schema.initialise(settings)
    records = opened(settings)
    house = House(records, settings, datetime.now(UTC))
    with house.act("test.build") as session:
        a_dataset(session, corpus.DATASET, now=house.now)
        an_approval(session, "sunrise", corpus.DATASET, settings=settings, now=house.now)
        made = an_extract(session, settings, home, house.now)
    yield house, made
    records.close()


def an_extract(session, settings, cache, now) -> corpus.Trial:
    data = pd.read_csv(io.StringIO(actg175._trial(cache)))
    key = pseudonyms.keys_of(settings, "sunrise").pseudonym
    data["person"] = [str(name) for name in pseudonyms.pseudonyms([f"A{n}" for n in range(len(data))], key)]
    data["alone"] = [float(n == 17) for n in range(len(data))]
    data = data[["person", "alone", *corpus.COLUMNS]]
    folder = settings.extract("sunrise", corpus.DATASET, 1)
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pandas(data, preserve_index=False), folder / f"{corpus.TABLE}.parquet")
    row = ExtractRow(
        project="sunrise", dataset=corpus.DATASET, version=1, number=1, report="{}", assessed=True, prepared_at=now,
        manifest=json.dumps({"person": {corpus.TABLE: "person"}}),
    )  # fmt: skip
    session.add(row)
    identifiers.write(evidence.index_of(settings, row), SOURCE, key)
    audit.append(session, "extract.prepare", actor=HOST, subject=f"extract/sunrise/{corpus.DATASET}/1", at=now)
    return corpus.Trial(data, SOURCE)


def verdicts(house, made):
    """Name -> the checks that block it, for everything in the corpus, each file in the crowd of others."""
    said = {}
    for table in (corpus.HONEST, corpus.DISGUISES, corpus.LIMITS):
        for batch in batches({name: make(made) for name, make in table.items()}):
            said |= through(house, batch)
    return said


def batches(sent):
    """Put so many into one request as it takes; files of one name, or that help each other, into different ones."""
    batch, names = {}, set()
    for name, one in sent.items():
        own = {one.name, *(each.name for each in one.beside)}
        if len(names | own) > AT_ONCE or names & own:
            yield batch
            batch, names = {}, set()
        batch[name] = one
        names |= own
    yield batch


def through(house, batch):
    """Hand a request in, have it checked, and read what blocks each file, or the door's no."""
    every = [each for one in batch.values() for each in (one, *one.beside)]
    for each in every:
        house.put(each.name, each.content)
    try:
        request = ask(house, every)
    except TREError as no:
        if len(batch) == 1:
            return {name: [("door", str(no))] for name in batch}
        alone = {name: through(house, {name: one})[name] for name, one in batch.items() if refused(one)}
        return alone | through(house, {name: one for name, one in batch.items() if name not in alone})
    house.check(request)
    with house.records.read() as session:
        row = session.get_one(RequestRow, request)
        names = {file.position: file.name for file in asks.files_of(session, request, row.round)}
        found = [(names[one.position], one) for one in asks.findings_of(session, row) if one.severity == "block"]
    own = {name: {sent.name, *(each.name for each in sent.beside)} for name, sent in batch.items()}
    return {name: sorted({(one.check, one.message) for file, one in found if file in own[name]}) for name in batch}


def refused(one):
    """Whether the door knows the kind of this file and lets none of it in."""
    return kinds.sniff(one.name, one.content) in {"raw", "unknown", "model"}


def ask(house, every):
    about = {each.name: each.about for each in every if each.about}
    with house.act("export.submit", "ann", "project/sunrise") as session:
        return requests.submit(
            session, house.settings, project="sunrise", person="ann", why="for the paper", now=house.now,
            paths=[each.name for each in every], about=about,
        ).id  # fmt: skip
