"""The Hub answers everybody in one loop, so what waits for the records or for a hash waits in a thread."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

Answer = TypeVar("Answer")


async def ask(what: Callable[[], Answer], *, through: Executor | None = None) -> Answer:
    """Wait for an answer in a thread."""
    return await asyncio.get_running_loop().run_in_executor(through, what)
