"""A notebook of the house runs from top to bottom in the real image, as in a room: no network, data read-only."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import docker

from tre.host import engine, image
from tre.settings import Settings

UID = 54321
FOLDER = image.HERE / "images/notebook"
RUN = """
import sys, nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
notebook = nbformat.read(f"/home/analyst/{sys.argv[1]}", 4)
try:
    NotebookClient(notebook, timeout=120).execute(cwd="/home/analyst")
except CellExecutionError:
    pass  # it stops there, as in a room; the cell holds what was said
print(nbformat.writes(notebook))
"""


def folders(place: Path) -> None:
    """Make what a room has beside its data: `api` for the house's socket, `outbox`, and the person's home."""
    for name in ("api", "outbox", "analyst"):
        (place / name).mkdir(mode=0o755)
    for name in ("outbox", "analyst"):
        shutil.chown(place / name, UID, UID)


def run(settings: Settings, place: Path, name: str, data: Mapping[str, Path]) -> dict:
    """Run a notebook on these extracts, by the name of their dataset; return it with its outputs."""
    shutil.copyfile(FOLDER / name, place / "analyst" / name)
    engine.ensure(settings, print)
    made = image.ensure(settings, print)
    binds = {extract: (f"/data/{dataset}", "ro") for dataset, extract in data.items()}
    binds |= {place / "api": ("/run/tre/api", "ro"), place / "outbox": ("/outbox", "rw")}
    binds |= {place / "analyst": ("/home/analyst", "rw")}
    client = docker.DockerClient(base_url=settings.docker_url, timeout=180)
    try:
        said = client.containers.run(
            made.id,
            ["python", "-c", RUN, name],
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            user=f"{UID}:{UID}",
            tmpfs={"/tmp": ""},
            environment={"HOME": "/home/analyst", "MPLCONFIGDIR": "/tmp/m"},
            volumes={str(source): {"bind": target, "mode": mode} for source, (target, mode) in binds.items()},
            remove=True,
        )
    finally:
        client.close()
    return json.loads(said.decode())


def errors(notebook: dict) -> list[dict]:
    """Return every error that a cell ended with."""
    outputs = (out for cell in notebook["cells"] for out in cell.get("outputs", ()))
    return [out for out in outputs if out["output_type"] == "error"]


def kept_without_outputs(name: str) -> bool:
    """Say whether the notebook lies in the repository as nobody has run it."""
    kept = json.loads((FOLDER / name).read_text("utf-8"))
    return not any(cell.get("outputs") or cell.get("execution_count") for cell in kept["cells"])
