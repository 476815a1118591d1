"""Whoever is shown a visa of this house can check it: the public key needs no sign-in, and tells of nobody."""

import json
from typing import Any, ClassVar

from tre.records import visa_key
from tre.rooms import house
from tre.rooms.pages.page import Page, off_loop


class Keys(Page):
    """The public keys of our visas."""

    public: ClassVar[bool] = True

    async def get(self) -> None:
        """Send them as a JWK set."""
        found = await off_loop(lambda: visa_key.jwks(house.settings()))
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(json.dumps(found, indent=2))


HANDLERS: list[tuple[str, Any]] = [(r"/visas/jwks\.json", Keys)]
