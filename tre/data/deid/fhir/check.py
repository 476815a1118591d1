"""What is made must be FHIR: a sample of it is read by the models of the standard before anybody has it."""

import importlib

from pydantic import BaseModel, ValidationError

from tre.errors import Unreadable

SAMPLE = 20
"""Resources of each type, the first in the order of the extract."""
RELEASES = ("fhir.resources.R4B", "fhir.resources")
"""R4 is read by R4B's models; then release 5's."""


def valid(kind: str, line: bytes) -> None:
    """Read one resource, or say what is wrong with its type, without any value."""
    places: tuple[str, ...] = ()
    for release in RELEASES:
        try:
            _model(release, kind).model_validate_json(line)
        except ValidationError as error:
            found = {".".join(str(step) for step in one["loc"] if not isinstance(step, int)) for one in error.errors()}
            places = places or tuple(sorted(found))
        else:
            return
    raise Unreadable(
        f"FHIR: a {kind} as it was made is not valid at {', '.join(places)}; look at its elements in the source"
    )


def _model(release: str, kind: str) -> type[BaseModel]:
    found: type[BaseModel] = getattr(importlib.import_module(f"{release}.{kind.lower()}"), kind)
    return found
