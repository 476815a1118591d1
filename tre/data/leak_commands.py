"""What the host's operator asks when data were found outside: which project were they in."""

from cyclopts import App

from tre import show
from tre.data import leaked
from tre.errors import NotFound
from tre.governance.operator import house

app = App(name="leak", help="Data that were found outside: which project they come from.")


@app.command(name="whose")
def leak_whose(found: str, /) -> None:
    """Name the projects whose pseudonyms and canaries a file holds, or a text; in whatever wrapping."""
    with house() as at, at.records.read() as session:
        told = leaked.whose(session, at.settings, found)
    if not told:
        raise NotFound(f"{found[:80]!a}: no pseudonym and no canary of a project of this house")
    show.rows([vars(one) for one in told], none="")
