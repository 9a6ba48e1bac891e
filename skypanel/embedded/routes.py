"""What the panel's proxy is told of routes, and the file from which it starts: the last that it was told."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from skypanel.domain.engine import EngineKind
from skypanel.domain.routing import Route
from skypanel.drivers.proxy.routes import Json, dynamic_config, remembered
from skypanel.host.durable import write_whole
from skypanel.settings import Settings

FOLDER = "proxy"
FILE = f"{FOLDER}/routes.yaml"

log = logging.getLogger(__name__)


def config(settings: Settings, in_force: Sequence[Route]) -> Json:
    """Return what the proxy is to route."""
    return dynamic_config(
        in_force,
        panel_host=settings.address.host("skypanel"),
        web=f"127.0.0.1:{settings.web_port}",
        git_hosts=settings.address.git_hosts,
        git=f"127.0.0.1:{settings.git_port}",
        ingress=settings.ingress if settings.engine == EngineKind.SWARM else "",
    )


def at_start(routed: Json) -> str:
    """Return the contents of the file for what was routed."""
    return json.dumps(remembered(routed))


def remember(run_dir: Path, routed: Json) -> None:
    """Keep what is routed for the next start of the proxy, which can do without where it cannot be written."""
    try:
        write_whole(run_dir / FILE, at_start(routed).encode())
    except OSError as error:
        log.warning("The routes cannot be kept for the proxy's next start: %s", error)
