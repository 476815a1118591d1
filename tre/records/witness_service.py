"""A witness that is asked over HTTP (C2SP tlog-witness): one call, which needs no password, since the log signs it."""

from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tre.records import witness


def create_app(folder: Path) -> Starlette:
    """Build the service of the witness in this folder."""

    async def add_checkpoint(request: Request) -> Response:
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > witness.LONGEST:
                return PlainTextResponse("the request is too long\n", 413)
        try:
            line = await run_in_threadpool(witness.cosign, folder, bytes(body), datetime.now(UTC))
        except witness.NotAsked as no:
            if no.size is not None:
                return Response(f"{no.size}\n", no.status, {"Content-Type": "text/x.tlog.size"})
            return PlainTextResponse(f"{no}\n", no.status)
        return PlainTextResponse(line)

    return Starlette(routes=[Route("/add-checkpoint", add_checkpoint, methods=["POST"])])


def serve(folder: Path, host: str, port: int) -> None:
    """Serve until told to stop."""
    uvicorn.run(
        create_app(folder), host=host, port=port, log_level="warning", access_log=False, server_header=False,
        proxy_headers=False, ws="none", timeout_keep_alive=5, limit_concurrency=20, timeout_graceful_shutdown=5,
    )  # fmt: skip
