"""The notebook image, looked at from outside and run: what is in it, what is not, and that code runs in it."""

import hashlib
import io
import json
import os
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

import tre.settings
from tre.errors import Unavailable
from tre.host import archive, engine, image

pytestmark = pytest.mark.docker
UID = 54321
DISABLED = (
    "docmanager-extension:download",
    "filebrowser-extension:download",
    "filebrowser-extension:share-file",
    "notebook-extension:export",
    "terminal-extension",
    "extensionmanager-extension",
)
RUN_A_CELL = """
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(startup_timeout=60)
said = []
client.execute_interactive("import os, pandas; print('ran', os.getuid(), 6 * 7)", timeout=60,
                           output_hook=lambda m: said.append(m["content"].get("text", "")))
client.stop_channels()
manager.shutdown_kernel(now=True)
print("".join(said))
"""


@pytest.fixture(scope="module")
def host() -> tre.settings.Settings:
    return tre.settings.load()


@pytest.fixture(scope="module")
def made(host) -> image.Image:
    engine.ensure(host, print)
    return image.ensure(host, print)


@pytest.fixture(scope="module")
def client(host, made) -> Iterator[docker.DockerClient]:
    found = docker.DockerClient(base_url=host.docker_url, timeout=120)
    yield found
    found.close()


@pytest.fixture
def run(client, made):
    def inside(*words: str) -> str:
        return client.containers.run(
            made.id,
            list(words),
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            user=f"{UID}:{UID}",
            tmpfs={"/tmp": "", "/home/analyst": f"uid={UID},mode=0700"},
            environment={"HOME": "/home/analyst", "MPLCONFIGDIR": "/tmp/m"},
            working_dir="/tmp",
            remove=True,
        ).decode()

    return inside


def test_a_kernel_runs_code_under_any_uid_without_network_or_a_root_it_could_write(run):
    assert run("python", "-c", RUN_A_CELL).strip() == f"ran {UID} 42"


def test_everything_an_analyst_was_promised_can_be_imported(run):
    names = (
        "pandas duckdb pyarrow scipy statsmodels.api sklearn lifelines matplotlib pysam pydicom ipykernel tre.notebook"
    )
    assert (
        run("python", "-W", "error::ImportWarning", "-c", f"import {names.replace(' ', ', ')}; print('all')") == "all\n"
    )


def test_duckdb_answers(run):
    assert run("python", "-c", "import duckdb; print(duckdb.sql('select 6 * 7').fetchall())") == "[(42,)]\n"


def test_no_program_gives_another_ones_rights(made):
    found = [
        path
        for folder, names, files in os.walk(made.root)
        for name in (*names, *files)
        if not (path := Path(folder, name)).is_symlink() and path.stat().st_mode & 0o6000
    ]
    assert found == []


def test_the_hub_and_the_core_are_not_in_it(made):
    packages = {path.name.lower() for path in (made.root / image.SITE).iterdir()}
    assert not any(name.startswith(("jupyterhub", "dockerspawner", "cedarpy")) for name in packages)
    assert sorted(path.name for path in (made.root / image.SITE / "tre").iterdir() if path.name != "__pycache__") == [
        "__init__.py",
        "notebook",
    ]


def test_the_layers_carry_no_key_no_name_server_and_nothing_left_over(made):
    for path, _sha in json.loads((made.root.parent / "image.json").read_text())["layers"]:
        with tarfile.open(path) as tar:
            for member in tar:
                assert member.name not in {"etc/resolv.conf", "etc/hostname", "run/ca.crt", "etc/shadow-"}, member.name
                assert not member.name.startswith(("tmp/", "root/", "var/log/", "var/cache/")), member.name
                assert not member.name.endswith((".key", "id_rsa", "id_ed25519")), member.name
                assert not member.ischr(), member.name


def test_the_image_trusts_debians_authorities_and_none_of_this_host(made):
    bundle = _certificates(made.root / "etc/ssl/certs/ca-certificates.crt")
    debian = (made.root / "usr/share/ca-certificates/mozilla").glob("*.crt")
    assert bundle
    assert bundle <= {certificate for path in debian for certificate in _certificates(path)}


def _certificates(path: Path) -> set[str]:
    return {part.split("-----END")[0].strip() for part in path.read_text("ascii").split("BEGIN CERTIFICATE-----")[1:]}


def test_download_export_share_and_terminal_are_taken_out_of_the_menus(made):
    config = json.loads((made.root / "opt/venv/etc/jupyter/labconfig/page_config.json").read_text())
    assert {f"@jupyterlab/{name}" for name in DISABLED} <= set(config["disabledExtensions"])


def test_what_the_gateway_serves_from_the_host_has_the_hashes_of_the_manifest(made):
    assert {"static/lab/", "lab/extensions/", "lab/api/themes/", "static/"} == set(image.STATIC)
    assert any(url.startswith("static/lab/main.") for url in made.manifest)
    for url, path in made.static.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == made.manifest[url], url


def test_our_part_of_jupyterlab_is_in_it_as_it_was_written(made):
    for name in ("package.json", "static/remoteEntry.js", "static/room.js", "static/exports.js"):
        assert made.static[f"lab/extensions/tre-lab/{name}"].read_bytes() == (image.LAB / name).read_bytes()
    assert sorted(url for url in made.manifest if url.startswith("lab/extensions/tre-lab/")) == [
        "lab/extensions/tre-lab/package.json",
        "lab/extensions/tre-lab/static/exports.js",
        "lab/extensions/tre-lab/static/remoteEntry.js",
        "lab/extensions/tre-lab/static/room.js",
    ]


def test_what_is_there_is_not_made_again(host, made):
    said: list[str] = []
    began = time.monotonic()
    again = image.ensure(host, said.append)
    assert again == made
    assert len(said) == 1
    assert time.monotonic() - began < 3


def test_the_image_that_rooms_are_made_of_is_known_without_asking_the_engine(host, made):
    assert image.current(host) == made
    assert image.present(host, made)


def test_the_engine_has_no_network_of_its_own(client):
    assert {network.name for network in client.networks.list()} == {"host", "none"}


def test_without_an_image_one_line_says_what_to_run(tmp_path):
    with pytest.raises(Unavailable, match="make setup"):
        image.current(tre.settings.load(tmp_path, engine_home=tmp_path))


def test_an_archive_is_the_same_bytes_from_the_same_files(tmp_path):
    sums = []
    for number in range(2):
        root = tmp_path / str(number)
        (root / "b").mkdir(parents=True)
        (root / "b" / "file").write_text("x")
        (root / "a").symlink_to("b")
        os.utime(root / "b" / "file", (number, number))
        layer = archive.layer(root, tmp_path / f"{number}.tar")
        config = archive.configuration([layer], architecture="amd64", command={})
        sums.append(hashlib.sha256(b"".join(archive.docker_archive(config, [layer], tag="t:1"))).hexdigest())
    assert sums[0] == sums[1]


def test_an_archive_can_be_read_as_docker_reads_it(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "file").write_text("x")
    layer = archive.layer(tmp_path / "root", tmp_path / "layer.tar")
    config = archive.configuration([layer], architecture="amd64", command={})
    stream = io.BytesIO(b"".join(archive.docker_archive(config, [layer], tag="t:1")))
    with tarfile.open(fileobj=stream) as tar:
        manifest = json.loads(tar.extractfile("manifest.json").read())[0]
        assert hashlib.sha256(tar.extractfile(manifest["Layers"][0]).read()).hexdigest() == layer.sha256
        assert manifest["Config"] == f"{hashlib.sha256(config).hexdigest()}.json"
