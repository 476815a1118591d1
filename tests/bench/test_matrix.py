"""What the whole airlock stops beside what others see of the same files; writes the table of the airlock's README.

The others are put into a virtual environment that is thrown away: libmagic and magika, which know the type of a file
by its content (stopped: it is of no type that may leave, or not of the one its name says); acro, which knows tables
that were made with it (stopped: it says fail of the file); and OpenSAFELY's rule, which knows the ends of names.
"""

import json
import subprocess
from pathlib import Path

import pytest

from tests.attacks import corpus, pipeline
from tre.host import rootfs

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1200)]

WRITTEN = Path(__file__).parents[2] / "airlock" / "detection.json"
PEERS = {"libmagic": "python-magic==0.4.27", "magika": "magika==1.0.3", "acro": "acro==1.0.2"}
LEVEL4 = frozenset(["csv", "jpg", "jpeg", "png", "svg", "svgz", "html", "txt", "log", "json", "md"])
MAY = frozenset({"application/json", "application/x-ndjson", "image/png", "image/jpeg"})
SCRIPT = """
import json, logging, os, sys
logging.disable(logging.CRITICAL)
sys.stdout, out = sys.stderr, sys.stdout
import magic, magika, acro
from pathlib import Path
knows, record = magika.Magika(), acro.ACRO(suppress=False)
said = {}
for folder in sorted(Path(sys.argv[1]).iterdir()):
    file = next(folder.iterdir())
    record.custom_output(str(file))
    said[folder.name] = {"libmagic": magic.from_file(str(file), mime=True),
                         "magika": knows.identify_path(file).output.mime_type,
                         "acro": record.results.get_index(-1).status}
json.dump(said, out)
"""


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    """Everything in the corpus, and what the whole airlock says of it."""
    with pipeline.a_trial(tmp_path_factory.mktemp("corpus")) as (house, made):
        every = {**corpus.HONEST, **corpus.DISGUISES, **corpus.LIMITS}
        return {name: make(made) for name, make in every.items()}, pipeline.verdicts(house, made)


@pytest.fixture(scope="module")
def others(sent, tmp_path_factory):
    """Number of the file -> what each other tool says of it."""
    place = tmp_path_factory.mktemp("others")
    uv, python = rootfs.tool("uv", package="uv"), str(place / "venv" / "bin" / "python")
    subprocess.run([uv, "venv", "--quiet", str(place / "venv")], check=True, timeout=120)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *PEERS.values()], check=True, timeout=600)
    for nth, one in enumerate(sent[0].values()):
        file = place / "files" / f"{nth:03}" / Path(one.name).name
        file.parent.mkdir(parents=True)
        file.write_bytes(one.content)
    done = subprocess.run(
        [python, "-c", SCRIPT, str(place / "files")], check=True, timeout=600, capture_output=True, cwd=place
    )
    return json.loads(done.stdout)


def strange(mime, name):
    """Whether a type may not leave, or is not that of the name."""
    text = mime.startswith("text/") and mime != "text/html"
    picture = Path(name).suffix.lower() in {".png", ".jpg", ".jpeg"}
    return not (text or mime in MAY) or picture != mime.startswith("image/")


def test_the_corpus_is_looked_at_by_all(sent, others):
    made, verdicts = sent
    rows = {}
    for (name, one), said in zip(made.items(), others.values(), strict=True):
        rows[name] = {
            "hortus": bool(verdicts[name]),
            "libmagic": strange(said["libmagic"], one.name),
            "magika": strange(said["magika"], one.name),
            "acro": said["acro"] == "fail",
            "opensafely": Path(one.name).suffix.lower().removeprefix(".") not in LEVEL4,
        }
    groups = {"honest": corpus.HONEST, "disguises": corpus.DISGUISES, "limits": corpus.LIMITS}
    told = {group: {name: rows[name] for name in names} for group, names in groups.items()}
    WRITTEN.write_text(json.dumps({"versions": PEERS, **told}, indent=1) + "\n", "utf-8")
    for group, said in told.items():
        print(
            group,
            len(said),
            {tool: sum(row[tool] for row in said.values()) for tool in ("hortus", *PEERS, "opensafely")},
        )
    assert all(row["hortus"] for row in told["disguises"].values())
    assert not any(row["hortus"] for row in told["honest"].values())
