"""The Hub opens a room only after the rules said yes, and only the gateway learns the room's token.

A named server is a project. The container gets what `tre.rooms.room` lists, and nothing of the Hub's environment.
"""

import asyncio
import html
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from jupyterhub.spawner import Spawner, SpawnException
from sqlalchemy.orm import object_session
from traitlets import Any as AnyTrait
from traitlets import Instance, default

from tre.errors import Refused, TREError, Unavailable
from tre.host import image
from tre.records.db import Records
from tre.records.tables import RoomRow
from tre.rooms import control, folders, house, visits
from tre.rooms.authenticator import address_of
from tre.rooms.builders import Builder, State, choice
from tre.rooms.pages.telling import Reason, in_words, reasons_of
from tre.rooms.room import CALLBACK, container_name, host, origin, prefix, room_for
from tre.settings import Settings

NOTEBOOKS = tuple(sorted((Path(__file__).parents[2] / "images" / "notebook").glob("*.ipynb")))
"""What a person finds in a new home."""
STOP_SECONDS = 5
NOT_A_MEMBER = "R00"
T = TypeVar("T")


class ProjectSpawner(Spawner):  # type: ignore[misc]  # no types in jupyterhub
    """Opens and closes rooms."""

    tre_settings = Instance(Settings)
    tre_records = Instance(Records)
    tre_builder = AnyTrait()  # a Builder
    _built = False
    """Whether there was a room when last somebody looked; the Hub remembers it."""
    _closed_because: str = "the person stopped it, or the Hub did"

    @default("tre_settings")
    def _settings(self) -> Settings:
        return house.settings()

    @default("tre_records")
    def _records(self) -> Records:
        return house.records()

    @default("tre_builder")
    def _builder(self) -> Builder:
        return choice.chosen(self.tre_settings)

    def __init__(self, *given: Any, **named: Any) -> None:  # noqa: ANN401 -- the Hub's
        """Lie under a host name of its own, also after the Hub has started again."""
        super().__init__(*given, **named)
        if self.name:
            self.proxy_spec = f"{host(self.tre_settings, self.name, self.user.name)}/"  # all of it: no page of the Hub

    # --- opening -----------------------------------------------------------------------------------------------------
    async def start(self) -> str:
        """Ask the rules, build the room, and only then let the gateway know of it."""
        if not self.name:
            raise _refusal("A room belongs to a project: choose one on the home page.", status=403)
        try:
            return await self._start()
        except Refused as no:
            raise _told(await _aside(in_words, self.tre_records, no), self.name) from no
        except TREError as error:
            if error.__cause__ is not None:
                self.log.warning("%s: %s", self._log_name, error.__cause__)
            raise _refusal(str(error), status=error.status) from error

    async def _start(self) -> str:
        current = await _aside(image.current, self.tre_settings)
        await _aside(self.tre_builder.answers)
        visit = await _aside(
            visits.opened,
            self.tre_records,
            self.name,
            self.user.name,
            image=current.id,
            now=datetime.now(UTC),
            longest=timedelta(hours=self.tre_settings.room_hours),
            network=self.tre_settings.zone(address_of(self.handler)),
        )
        room = room_for(self.tre_settings, current.id, visit.project, self.user.name, visit.mounts)
        done = False
        try:
            await _aside(folders.make, self.tre_settings, room, notebooks=NOTEBOOKS)
            self._built = True
            await _aside(self.tre_builder.build, room)
            self._expect_callback()
            await control.put(
                self.tre_settings,
                room.person,
                room.project,
                uid=room.uid,
                token=self.api_token,
                client_id=self.oauth_client_id,
                until=visit.until,
            )
            row = await _aside(visits.row_of, self.tre_records, self.name, self.user.name)  # silent records: no
            if row is None or row.closed_because or not visits.stands(row, now=datetime.now(UTC)):
                raise Refused("it may not be open any more: something changed while it was opening")
            done = True
        finally:
            if not done:  # also when the Hub's time is up and this is cancelled
                await asyncio.shield(self._undo())
        return self._url()

    def _expect_callback(self) -> None:
        """Tell the Hub where this room's sign-in ends: at the room's own host, which the Hub does not know of."""
        client = self.orm_spawner.oauth_client
        at = origin(self.tre_settings, self.name, self.user.name)
        client.redirect_uri = f"{at}{prefix(self.name, self.user.name)}{CALLBACK}"
        session = object_session(client)
        assert session is not None  # noqa: S101 -- the Hub has just put the client into one
        session.commit()

    async def _undo(self) -> None:
        """Leave nothing of a start that failed: no registration, no container, no open room in the records."""
        steps: tuple[Callable[[], Any], ...] = (
            self._drop,
            self._remove,
            lambda: self._record_close("it did not start"),
        )
        for step in steps:
            try:
                await step()
            except TREError as error:
                self.log.error("%s: leftover of a failed start: %s", self._log_name, error)  # noqa: TRY400 -- one line says it

    async def _remove(self) -> None:
        await _aside(self.tre_builder.end, self._room, seconds=0)
        self._built = False

    # --- being open --------------------------------------------------------------------------------------------------
    async def poll(self) -> int | str | None:
        """Tell the Hub whether the room lives, and the gateway what it may have forgotten."""
        try:
            state = await _aside(self.tre_builder.state, self._room)
        except Unavailable as error:
            self.log.warning("%s: %s", self._log_name, error)
            return None if self._built else 0  # an engine that is silent has not closed a room that was open
        if state is None:
            return 0
        self._built = True
        if self.name and not self._start_pending:
            return await self._looked_at(state)
        return None

    async def _looked_at(self, state: State) -> int | None:
        """Ask the records whether this room may be open; while they are silent, the gateway keeps its end."""
        try:
            row = await _aside(visits.row_of, self.tre_records, self.name, self.user.name)
        except Unavailable as error:
            self.log.warning("%s: %s", self._log_name, error)
            return await self._remind(state, None)
        if visits.stands(row, now=datetime.now(UTC)):
            return await self._remind(state, row)
        return await self._lapsed(row)

    async def _lapsed(self, row: RoomRow | None) -> int:
        """End a room that lapsed while nobody could end it, or while it opened, or whose end nobody moved."""
        self.log.warning("%s: it may not be open any more: closing it", self._log_name)
        if row is not None and not row.closed_because:
            await self._write_lapse(row)
        await self.stop()
        return 1

    async def _write_lapse(self, row: RoomRow) -> None:
        """Write down why it ends: the sentinel, whose task it is, did not."""
        now = datetime.now(UTC)
        try:
            lapse = await _aside(visits.judged, self.tre_records, row, now=now) or visits.Lapse(visits.OVER)
            await _aside(visits.lapsed, self.tre_records, row, lapse, until=now, actor="hub", now=now)
        except TREError as error:  # it ends all the same
            self.log.warning("%s: %s", self._log_name, error)
            self._closed_because = visits.OVER

    async def _remind(self, state: State, row: RoomRow | None) -> int | None:
        """Register again if the gateway lost its file. If the Hub lost the token too, the room must end."""
        try:
            if await control.known(self.tre_settings, self.user.name, self.name):
                return None
            if not self.api_token:
                self.log.warning("%s: neither Hub nor gateway knows this room's token: closing it", self._log_name)
                self._closed_because = "Hub and gateway had both forgotten it"
                await self.stop()
                return 1
            if row is None:  # the records are silent: without them, nobody knows until when
                return None
            await control.put(
                self.tre_settings,
                self.user.name,
                self.name,
                uid=state.uid,
                token=self.api_token,
                client_id=self.oauth_client_id,
                until=row.until,
            )
        except Unavailable as error:
            self.log.warning("%s: %s", self._log_name, error)
        return None

    # --- closing -----------------------------------------------------------------------------------------------------
    async def stop(self, now: bool = False) -> None:  # noqa: FBT001, FBT002 -- the Hub's signature
        """Cut the browser off first, then end the container, then say so in the records."""
        await self._drop()
        await _aside(self.tre_builder.end, self._room, seconds=0 if now else STOP_SECONDS)
        self._built = False
        self.clear_state()
        await self._record_close(self._closed_because)

    async def run_post_stop_hook(self) -> None:
        """Do what `stop` does for a container that ended by itself; the Hub calls this after every end."""
        try:
            await self._drop()
            await self._record_close("it ended by itself")
        except TREError as error:
            self.log.error("%s: %s", self._log_name, error)  # noqa: TRY400 -- one line says it

    async def _drop(self) -> None:
        try:
            await control.drop(self.tre_settings, self.user.name, self.name)
        except Unavailable as error:
            # Nobody gets through a gateway that is down; when it is back, the room's socket is gone.
            self.log.warning("%s: %s", self._log_name, error)

    async def _record_close(self, because: str) -> None:
        try:
            await _aside(
                visits.closed,
                self.tre_records,
                self.name,
                self.user.name,
                actor="hub",
                because=because,
                now=datetime.now(UTC),
            )
        except Unavailable as error:
            # The room is closed all the same; the sentinel writes it down when the records answer again.
            self.log.warning("%s: %s", self._log_name, error)

    # --- what the Hub keeps, and what it would otherwise add ---------------------------------------------------------
    def get_state(self) -> dict[str, Any]:
        """Let the Hub remember that there is a room."""
        return {**super().get_state(), "built": self._built}

    def load_state(self, state: dict[str, Any]) -> None:
        """Know it again after the Hub has started anew."""
        super().load_state(state)
        self._built = bool(state.get("built"))

    def get_env(self) -> dict[str, str]:
        """Give a room none of the Hub's variables; its own stand in `tre.rooms.room`."""
        return {}

    def _url(self) -> str:
        return f"http://127.0.0.1:{self.tre_settings.gateway_port}"

    @property
    def _room(self) -> str:
        return container_name(self.tre_settings, self.name or "none", self.user.name)


async def _aside(work: Callable[..., T], *given: object, **named: object) -> T:
    return await asyncio.to_thread(work, *given, **named)


def _told(no: Refused, project: str) -> SpawnException:
    """Tell a stranger to a project that they are one, and nothing else of it; the log has all reasons."""
    reasons = reasons_of(no)
    if NOT_A_MEMBER in no.rules:
        first = tuple(each for each in reasons if each.rule == NOT_A_MEMBER)
        return _refusal(f"This room stays closed: you are no member of {project}.", reasons=first, status=403)
    return _refusal(f"This room stays closed: {no}", reasons=reasons, status=403)


def _refusal(message: str, *, reasons: tuple[Reason, ...] = (), status: int) -> SpawnException:
    """Say no so that the Hub shows the person why, what to do, and whom to ask."""
    listed = "".join(f"<li>{_in_words(each)}</li>" for each in reasons)
    said = f"{html.escape(message)}<ul>{listed}</ul>" if listed else html.escape(message)
    plain = " ".join((message, *(f"To do: {each.remedy}" for each in reasons)))
    no = SpawnException(plain, reason="refused", message_html=said, status_code=status)
    no.jupyterhub_message = plain
    no.jupyterhub_html_message = said
    return no


def _in_words(reason: Reason) -> str:
    rule = f"{reason.rule}: {reason.sentence} Ask: {reason.ask}."
    return f'{html.escape(reason.remedy)} <span class="tre-rule">{html.escape(rule)}</span>'
