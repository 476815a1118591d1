"""The catalogue's pages at the Hub: for whoever is signed in, and nobody else."""

from datetime import UTC, datetime
from typing import Any

from jupyterhub.handlers.base import BaseHandler
from tornado import web

from tre.errors import NotFound
from tre.rooms import catalogue, house

_REPORT_CSP = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"


class Shelf(BaseHandler):  # type: ignore[misc]  # the Hub is not typed
    """All datasets; `q` are words to look for."""

    @web.authenticated
    async def get(self) -> None:
        """Show the list."""
        words = self.get_query_argument("q", "")[:200]
        datasets = catalogue.listed(house.records(), now=datetime.now(UTC), words=words)
        self.finish(await self.render_template("catalogue.html", datasets=datasets, words=words))


class Entry(BaseHandler):  # type: ignore[misc]  # the Hub is not typed
    """One dataset."""

    @web.authenticated
    async def get(self, name: str) -> None:
        """Show what is held, and the reports that this person may read."""
        try:
            dataset, reports = catalogue.shown(house.records(), name, self.current_user.name, now=datetime.now(UTC))
        except NotFound as none:
            raise web.HTTPError(404, str(none)) from None
        self.finish(await self.render_template("dataset.html", dataset=dataset, reports=reports))


class Report(BaseHandler):  # type: ignore[misc]  # the Hub is not typed
    """The report of one extract, as it was kept with it."""

    @web.authenticated
    async def get(self, project: str, dataset: str, number: str) -> None:
        """Show the page."""
        try:
            page = catalogue.report(
                house.records(),
                house.settings(),
                self.current_user.name,
                project=project,
                dataset=dataset,
                number=int(number),
                now=datetime.now(UTC),
            )
        except NotFound as none:
            raise web.HTTPError(404, str(none)) from None
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", _REPORT_CSP)
        self.finish(page)


HANDLERS: list[tuple[str, Any]] = [
    (r"/catalogue", Shelf),
    (r"/catalogue/([a-z][a-z0-9-]{0,29})", Entry),
    (r"/catalogue/reports/([a-z][a-z0-9-]{0,29})/([a-z][a-z0-9-]{0,29})/([0-9]{1,6})", Report),
]
