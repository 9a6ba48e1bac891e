"""The proxy's routes as configuration, and the file with the last ones, from which the proxy starts."""

import json
import logging
from collections.abc import Collection, Sequence
from pathlib import Path

from skypanel.domain.certificate import KeyPair
from skypanel.domain.engine import EngineKind
from skypanel.domain.routing import Route
from skypanel.drivers.proxy.routes import Json, Servers, dynamic_config, remembered
from skypanel.host.durable import write_whole
from skypanel.settings import Settings

FOLDER = "proxy"
FILE = f"{FOLDER}/routes.yaml"

log = logging.getLogger(__name__)


def config(
    settings: Settings,
    in_force: Sequence[Route],
    certified: Collection[str] = (),
    certificates: Sequence[KeyPair] = (),
    proving: Collection[str] = (),
) -> Json:
    """Return the proxy's configuration for these routes and certificates. A CA may check the names in `proving` now."""
    return dynamic_config(
        in_force,
        panel_host=settings.address.host("skypanel"),
        git_hosts=settings.address.git_hosts,
        servers=servers(settings),
        certified=certified,
        certificates=certificates,
        proving=proving,
    )


def servers(settings: Settings) -> Servers:
    """Return where the panel's proxy leads."""
    return Servers(
        web=f"127.0.0.1:{settings.web_port}",
        git=f"127.0.0.1:{settings.git_port}",
        https_port=settings.address.https_port,
        token=settings.traefik_token,
        ingress=settings.ingress if settings.engine == EngineKind.SWARM else "",
    )


def at_start(routed: Json) -> str:
    """Return the contents of the file."""
    return json.dumps(remembered(routed))


def remember(run_dir: Path, routed: Json) -> None:
    """Save the configuration for the proxy's next start. If that fails, only log it: the proxy can start without."""
    try:
        write_whole(run_dir / FILE, at_start(routed).encode())
    except OSError as error:
        log.warning("The routes cannot be kept for the proxy's next start: %s", error)
