"""What the proxy is told, in two documents, and their files, from which it starts."""

import json
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from skypanel.domain.certificate import KeyPair
from skypanel.domain.engine import EngineKind
from skypanel.domain.routing import Route
from skypanel.drivers.proxy import routes as proxy
from skypanel.host.durable import write_whole
from skypanel.settings import Settings

FOLDER = "proxy"
CONFIGURATION = f"{FOLDER}/configuration.json"
TABLE = f"{FOLDER}/routes.json"
# Where the proxy tells which route of an app it uses.
USED_PATH = proxy.USED_PATH

log = logging.getLogger(__name__)


def configuration(settings: Settings, certificates: Sequence[KeyPair] = ()) -> str:
    """Return the proxy's configuration with these certificates."""
    address = settings.address
    return json.dumps(proxy.configuration(address.host("skypanel"), address.git_hosts, servers(settings), certificates))


def table(settings: Settings, routes: Iterable[Route], certified: Collection[str] = (), proving: Iterable[str] = ()) -> str:
    """Return the table of these routes. `certified` and `proving` are names, as `skypanel.drivers.proxy.routes.table` takes them."""
    return json.dumps(proxy.table(routes, servers(settings), certified, proving))


def servers(settings: Settings) -> proxy.Servers:
    """Return where the panel's proxy leads."""
    return proxy.Servers(
        web=f"127.0.0.1:{settings.web_port}",
        git=f"127.0.0.1:{settings.git_port}",
        https_port=settings.address.https_port,
        token=settings.traefik_token,
        ingress=settings.ingress if settings.engine == EngineKind.SWARM else "",
        table=str(settings.run_dir / TABLE),
    )


def at_start(settings: Settings) -> Mapping[str, str]:
    """Return the files of a panel whose dynos do not run yet."""
    return {CONFIGURATION: configuration(settings), TABLE: table(settings, ())}


def keep(run_dir: Path, file: str, content: str) -> None:
    """Save a document for the proxy's next start. If that fails, only log it: the proxy can start without."""
    try:
        write_whole(run_dir / file, content.encode())
    except OSError as error:
        log.warning("What the proxy is told cannot be kept for its next start: %s", error)
