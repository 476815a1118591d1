"""How JupyterHub is set up to be the front door of the house, and nothing more.

It signs people in, lists their projects, starts and stops rooms. It never reaches into a room, gives no person a token
that could, and shares nothing. The proxy runs by itself, so a Hub that starts again cuts nobody off.
"""

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from jupyterhub import handlers

from tre.rooms import catalogue_pages, home, house, pages
from tre.rooms.authenticator import ASK_AGAIN_SECONDS, LONGEST, HouseAuthenticator
from tre.rooms.pages.page import links
from tre.rooms.pages.telling import WORDS
from tre.rooms.room import landing
from tre.rooms.spawner import ProjectSpawner
from tre.settings import Settings

TEMPLATES = Path(__file__).parent / "templates"
# A person may open, look at and close their own rooms, and go to the airlock. No tokens, no shares, no groups.
PERSON_SCOPES = (
    "read:users!user",
    "servers!user",
    "access:servers!user",
    "users:activity!user",
    "access:services!service=airlock",
)
# The sentinel closes rooms and ends sessions of suspended people; it cannot open a room or read a person's mail.
SENTINEL_SCOPES = ("list:users", "read:users:name", "read:servers", "delete:servers", "tokens", "read:tokens")


def configure(c: Any) -> None:  # noqa: ANN401 -- traitlets' own
    """Write the Hub's configuration for the house at TRE_HOME."""
    settings = house.settings()
    _network(c, settings)
    _people(c, settings)
    _rooms(c)
    _services(c, settings)
    _pages(c, settings)


def _network(c: Any, settings: Settings) -> None:  # noqa: ANN401
    c.JupyterHub.bind_url = f"http://127.0.0.1:{settings.port}"
    c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{settings.hub_port}"
    c.JupyterHub.hub_connect_url = f"http://127.0.0.1:{settings.hub_port}"
    c.JupyterHub.subdomain_host = settings.hub_origin
    c.JupyterHub.subdomain_hook = partial(_host, settings)
    c.ConfigurableHTTPProxy.extra_routes = {f"{landing(settings)}/": f"http://127.0.0.1:{settings.gateway_port}"}
    c.ConfigurableHTTPProxy.should_start = False
    c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{settings.proxy_api_port}"
    c.ConfigurableHTTPProxy.auth_token = settings.secret("proxy")
    c.JupyterHub.cleanup_servers = False
    c.JupyterHub.cleanup_proxy = False
    c.JupyterHub.db_url = f"sqlite:///{_database(settings)}"
    c.JupyterHub.cookie_secret = bytes.fromhex(settings.secret("hub-cookie"))
    c.JupyterHub.cookie_max_age_days = LONGEST / timedelta(days=1)
    c.JupyterHub.tornado_settings = {
        "headers": {
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Content-Security-Policy": "frame-ancestors 'none'; object-src 'none'; base-uri 'self'",
        },
        "xsrf_cookie_kwargs": {"secure": settings.scheme == "https", "samesite": "Lax"},
    }


def _host(settings: Settings, name: str, domain: str, kind: str) -> str:
    """Name the host to which the Hub sends browsers: it knows of people, not of rooms, so these land at the gateway."""
    return f"{name}--service.{domain}" if kind == "service" else landing(settings)


def _database(settings: Settings) -> Path:
    """Return the Hub's own database, shut to other accounts of the host: codes of sign-ins lie in it."""
    file = settings.home / "hub.sqlite"
    file.touch(mode=0o600)
    file.chmod(0o600)
    return file


def _people(c: Any, settings: Settings) -> None:  # noqa: ANN401
    del settings
    c.JupyterHub.authenticator_class = HouseAuthenticator
    c.Authenticator.allow_all = True  # whom the house has an account for; there is no sign-up
    c.Authenticator.auth_refresh_age = ASK_AGAIN_SECONDS
    c.Authenticator.auth_refresh_strict = True
    c.Authenticator.refresh_pre_spawn = True
    c.JupyterHub.load_roles = [
        {"name": "user", "description": "A person of this house", "scopes": list(PERSON_SCOPES)},
        {
            "name": "sentinel",
            "description": "Closes rooms whose facts lapsed",
            "scopes": list(SENTINEL_SCOPES),
            "services": ["sentinel"],
        },
    ]


def _rooms(c: Any) -> None:  # noqa: ANN401
    c.JupyterHub.spawner_class = ProjectSpawner
    c.JupyterHub.allow_named_servers = True
    c.JupyterHub.redirect_to_server = False
    c.JupyterHub.implicit_spawn_seconds = 0
    c.Spawner.poll_interval = 5
    c.Spawner.start_timeout = 90
    c.Spawner.http_timeout = 60
    c.Spawner.default_url = "/lab"


def _services(c: Any, settings: Settings) -> None:  # noqa: ANN401
    c.JupyterHub.services = [
        {
            "name": "airlock",
            "url": f"http://127.0.0.1:{settings.airlock_port}",
            "api_token": settings.secret("airlock-hub"),
            "oauth_client_id": "service-airlock",
            "oauth_redirect_uri": f"{settings.airlock_origin}/services/airlock/oauth_callback",
            "oauth_no_confirm": True,
        },
        {"name": "sentinel", "api_token": settings.secret("sentinel-hub")},
    ]


def _pages(c: Any, settings: Settings) -> None:  # noqa: ANN401
    # The Hub's own page for admins is nobody's here, and its address is ours.
    handlers.default_handlers[:] = [each for each in handlers.default_handlers if each[0] != "/admin"]
    c.JupyterHub.template_paths = [str(TEMPLATES)]
    c.JupyterHub.extra_handlers = [*catalogue_pages.HANDLERS, *pages.HANDLERS]
    c.JupyterHub.template_vars = {
        "tre_projects": lambda user: _doors(settings, user),
        "tre_roles": lambda user: home.roles(house.records(), user.name) if user else frozenset(),
        "tre_links": _links,
        "tre_ahead": lambda user: home.ahead(house.records(), user.name) if user else home.Ahead(),
        "tre_closings": lambda user: home.closings(house.records(), user.name) if user else {},
        "tre_words": WORDS,
        "tre_home": f"{settings.hub_origin}/hub/home",
        "tre_airlock": f"{settings.airlock_origin}/services/airlock/",
    }


def _links(user: Any) -> tuple[tuple[str, str], ...]:  # noqa: ANN401 -- the Hub's user, or None
    return links(home.roles(house.records(), user.name) if user else frozenset(), signed_in=user is not None)


def _doors(settings: Settings, user: Any) -> tuple[home.Door, ...]:  # noqa: ANN401 -- the Hub's user, or None
    if user is None:
        return ()
    running = tuple(name for name, spawner in user.spawners.items() if name and spawner.ready)
    return home.doors(house.records(), settings, user.name, running=running)
