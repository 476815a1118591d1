"""The pages of the house at the Hub: each module lists its own handlers, and here they come together."""

from typing import Any

HANDLERS: list[tuple[str, Any]] = []
