"""The pages of the house at the Hub: each module lists its own handlers, and here they come together."""

from typing import Any

from tre.rooms.pages import admin, applications, audit, committee, emergencies, people, person, project, register, visas

HANDLERS: list[tuple[str, Any]] = [
    *applications.HANDLERS,
    *committee.HANDLERS,
    *people.HANDLERS,
    *person.HANDLERS,
    *project.HANDLERS,
    *admin.HANDLERS,
    *audit.HANDLERS,
    *register.HANDLERS,
    *emergencies.HANDLERS,
    *visas.HANDLERS,
]
