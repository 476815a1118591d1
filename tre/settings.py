"""Where this TRE lives and what its operator chose, read once by each process.

Order: arguments, `TRE_*` in the environment, `tre.toml` in the home, defaults. An unknown key is refused.
Nobody but this module knows where a thing lies on the disk.
"""

import os
import re
from functools import cached_property
from ipaddress import ip_interface, ip_network
from pathlib import Path
from typing import ClassVar

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from tre.errors import Unreadable

DEFAULT_HOME = Path("/var/lib/hortus/home")
ENGINE_HOME = Path("/var/lib/hortus/engine")
# One name for a person or a project: it becomes a host name, a path and a server name.
NAME = re.compile(r"(?=.{1,30}\Z)[a-z](?:-?[a-z0-9])*")


class Settings(BaseSettings):
    """The choices of one TRE. Frozen: a process that needs other values is started again."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="TRE_", extra="forbid", frozen=True)

    home: Path = Field(default=DEFAULT_HOME, description="folder that holds all state of this TRE")
    database: str = Field(default="", description="SQLAlchemy URL; empty means SQLite in the home")
    engine_home: Path = Field(default=ENGINE_HOME, description="folder of our own Docker Engine and its images")
    docker: str = Field(default="", description="URL of the Docker Engine; empty means our own, in engine_home")
    rooms: str = Field(
        default="auto",
        pattern="^(auto|docker|bubblewrap)$",
        description="what builds rooms: docker, bubblewrap, or auto: Docker if an engine answers when the house starts",
    )
    domain: str = Field(default="localhost", description="host name of the Hub; rooms and airlock are below it")
    room_domain: str = Field(
        default="",
        description="domain below which rooms are; another registrable one than the Hub's keeps what a room serves a "
        "stranger to Hub and airlock; empty: the Hub's",
    )
    scheme: str = Field(default="http", pattern="^https?$", description="http only on loopback")
    certificate: str = Field(
        default="",
        description="PEM file of a certificate for the domain and *.domain, with its chain; `self-made`: one of the "
        "house's own; empty: TLS ends before this port",
    )
    certificate_key: str = Field(default="", description="PEM file of its key")
    port: int = Field(
        default=8000, ge=1024, le=65520, description="public port; the next five are ours too, on loopback"
    )
    room_memory: str = Field(default="2G", description="memory of one room")
    room_cpus: float = Field(default=1.0, gt=0, description="processors of one room")
    room_pids: int = Field(default=256, ge=64, description="processes of one room")
    room_hours: int = Field(default=72, ge=1, description="hours after which a room closes, and may be opened again")
    disk_floor: int = Field(
        default=1_000_000_000, ge=0, description="free bytes of the home's disk below which every room closes; 0: never"
    )
    meter_hour: int = Field(default=200_000_000, ge=1, description="bytes a person may see of one project in an hour")
    meter_day: int = Field(default=500_000_000, ge=1, description="bytes a person may see of one project in a day")
    largest_file: int = Field(default=16_000_000, ge=1, description="bytes of one file that may be asked to leave")
    clamd_socket: str = Field(
        default="", description="Unix socket of ClamAV's clamd, e.g. /run/clamav/clamd.ctl; empty: nothing is scanned"
    )
    thresholds: str = Field(default="default", description="disclosure-control profile in policies/thresholds")
    mail: str = Field(
        default="", description="host:port of an SMTP server; empty means mails go to a folder of the home"
    )

    deep_hours: int = Field(
        default=24, ge=0, description="hours after which the house tries its own walls (`tre doctor --deep`); 0: never"
    )
    volumes: str = Field(
        default="plain",
        pattern="^(encrypted|plain)$",
        description="encrypted: each project's data in a volume of its own (gocryptfs; needs root, loop devices, FUSE)",
    )
    volume_gigabytes: int = Field(default=8, ge=1, description="size of a project's encrypted volume: its quota")
    country: str = Field(
        default="",
        pattern="^([A-Z]{2})?$",
        description="where the house computes, ISO 3166, e.g. DE; for data that stay",
    )
    networks: dict[str, list[str]] = Field(
        default={}, description="zone of the network -> its address ranges; data may be limited to some zones"
    )

    @field_validator("networks")
    @classmethod
    def _ranges(cls, given: dict[str, list[str]]) -> dict[str, list[str]]:
        for zone, ranges in given.items():
            if not NAME.fullmatch(zone) or zone == "any":
                raise ValueError(f"zone {zone[:40]!r}: a-z, 0-9 and hyphens, and not `any`")
            for each in ranges:
                ip_network(each)  # ValueError says what is wrong with it
        return given

    def zone(self, address: str) -> str:
        """Return the zone that an address is in, the narrowest range first; empty if in none that is known."""
        try:
            found = ip_interface(address).ip
        except ValueError:
            return ""
        known = [(ip_network(each), zone) for zone, ranges in self.networks.items() for each in ranges]
        fits = [(net.prefixlen, zone) for net, zone in known if found in net]
        return max(fits, default=(0, ""))[1]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 -- the signature is pydantic's; no dotenv here
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 -- the same; secrets are files of the home
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put `tre.toml` of the home below the environment."""
        given = init_settings().get("home") or os.environ.get("TRE_HOME") or DEFAULT_HOME
        toml = TomlConfigSettingsSource(settings_cls, Path(given) / "tre.toml")
        return init_settings, env_settings, toml

    # --- ports on loopback -----------------------------------------------------------------------------------------
    @property
    def proxy_api_port(self) -> int:
        """Port on which configurable-http-proxy takes orders from the Hub."""
        return self.port + 1

    @property
    def hub_port(self) -> int:
        """Port of the Hub itself, behind the proxy."""
        return self.port + 2

    @property
    def gateway_port(self) -> int:
        """Port on which the gateway answers for every room."""
        return self.port + 3

    @property
    def airlock_port(self) -> int:
        """Port of the airlock's web application."""
        return self.port + 4

    # --- names the browser sees ------------------------------------------------------------------------------------
    @property
    def rooms_below(self) -> str:
        """Domain below which every room has a host name of its own."""
        return self.room_domain or self.domain

    @property
    def hub_origin(self) -> str:
        """Origin of the Hub's pages."""
        return f"{self.scheme}://{self.domain}:{self.port}"

    @property
    def airlock_origin(self) -> str:
        """Origin of the airlock: a host name of its own, so that nothing shares its cookies."""
        return f"{self.scheme}://airlock--service.{self.domain}:{self.port}"

    @property
    def hub_api(self) -> str:
        """URL of the Hub's REST interface, on loopback."""
        return f"http://127.0.0.1:{self.hub_port}/hub/api"

    # --- places ----------------------------------------------------------------------------------------------------
    @cached_property
    def database_url(self) -> str:
        """SQLAlchemy URL of the records."""
        return self.database or f"sqlite:///{self.home / 'records.sqlite'}"

    @property
    def docker_url(self) -> str:
        """URL of the Docker Engine that builds rooms."""
        return self.docker or f"unix://{self.engine_home / 'docker.sock'}"

    @property
    def keys(self) -> Path:
        """Folder 0700 of the root key and the signing key; nothing else lives there."""
        return self.home / "keys"

    @property
    def cosigned(self) -> Path:
        """Folder 0700 of the newest checkpoint that each witness co-signed."""
        return self.home / "cosigned"

    @property
    def secrets(self) -> Path:
        """Folder 0700 of tokens between our own processes."""
        return self.home / "secrets"

    @property
    def silo(self) -> Path:
        """Folder 0700 of the encrypted, identifiable data."""
        return self.home / "silo"

    @property
    def vocabularies(self) -> Path:
        """Folder of the OMOP vocabularies as they were loaded: vocabulary/<number>/*.parquet."""
        return self.home / "vocabulary"

    @property
    def extracts(self) -> Path:
        """Folder 0700 of the projects' pseudonymised copies: extracts/<project>/<dataset>/<number>/*.parquet."""
        return self.home / "extracts"

    @property
    def imports(self) -> Path:
        """Folder 0700 of what came in through the airlock: imports/<project>/<import>/..., read-only."""
        return self.home / "imports"

    @property
    def recontact(self) -> Path:
        """Folder 0700 of the clinical contacts' public keys and of the answers that are sealed for them."""
        return self.home / "recontact"

    @property
    def released(self) -> Path:
        """Folder 0700 of staged and released files, named by their SHA-256."""
        return self.home / "airlock"

    @property
    def reports(self) -> Path:
        """Folder 0700 of what `tre doctor --deep` found."""
        return self.home / "reports"

    @property
    def sockets(self) -> Path:
        """Folder 0711 of the sockets of rooms and of the gateway's control socket."""
        return self.home / "run"

    @property
    def mails(self) -> Path:
        """Folder 0700 where mails are put when no SMTP server is named."""
        return self.home / "mail"

    @property
    def logs(self) -> Path:
        """Folder 0700 of the processes' logs."""
        return self.home / "logs"

    def extract(self, project: str, dataset: str, number: int) -> Path:
        """Folder of one extract: what a room mounts read-only as /data/<dataset>."""
        return self.extracts / project / dataset / str(number)

    def workspace(self, project: str) -> Path:
        """Folder that all members of a project share, as /workspace."""
        return self.home / "projects" / project / "workspace"

    def person_home(self, project: str, person: str) -> Path:
        """Folder of one person in one project, as /home/analyst."""
        return self.home / "projects" / project / "people" / person / "home"

    def outbox(self, project: str, person: str) -> Path:
        """Folder from which this person asks for exports, as /outbox."""
        return self.home / "projects" / project / "people" / person / "outbox"

    def room_sockets(self, project: str, person: str) -> Path:
        """Folder with `in/` (the room's own socket) and `api/` (ours) of one room."""
        return self.sockets / "rooms" / f"{project}--{person}"

    def secret(self, name: str) -> str:
        """Read one token between our processes, e.g. `airlock-hub`."""
        try:
            return (self.secrets / name).read_text("ascii").strip()
        except FileNotFoundError:
            raise Unreadable(f"no secret {name} in {self.secrets}: run `tre init`") from None


def load(home: Path | None = None, **given: object) -> Settings:
    """Read the settings, or say in one line which key is wrong."""
    if home is not None:
        given["home"] = home.absolute()
    try:
        return Settings(**given)  # type: ignore[arg-type]  # pydantic checks the values
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "settings"
        raise Unreadable(f"setting {key}: {first['msg']}; see `tre.toml` and TRE_* in the environment") from None


def checked_name(name: str, what: str) -> str:
    """Return a name of a person or project, or say what a name may be."""
    if not NAME.fullmatch(name):
        raise Unreadable(f"{what} name {name[:40]!r}: use 1-30 characters a-z, 0-9 and single hyphens, a letter first")
    return name
