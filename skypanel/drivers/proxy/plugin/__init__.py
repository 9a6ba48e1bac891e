"""Our parts of the proxy: two plugins that Traefik interprets, and the configuration that uses them.

`forward.go` takes requests to their servers, docs/adr/0017-traefik-has-a-plugin-of-ours.md says why; it finds those of an app in a table
that `routes.go` holds, docs/adr/0039-one-router-finds-the-app.md says why. `follow.go` brings the panel's configuration,
docs/adr/0032-a-plugin-brings-the-proxy-its-configuration.md says why. The options of an entry point are
https://doc.traefik.io/traefik/reference/install-configuration/entrypoints/.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skypanel.domain.routing import PROXY_TOKEN_HEADER

NAME = "forward"
# Traefik's built-in service for routers whose middleware answers.
NO_SERVICE = "noop@internal"
# The timeout for a request's headers, including the TLS handshake. Its body has none.
HEADER_TIMEOUT = "20s"
# Frameworks read X_Forwarded_For as X-Forwarded-For, which only a proxy may set.
ALIASES = {"aliasHeadersStrategy": "delete"}
FOLLOW = "follow"
STATIC = {"localPlugins": {name: {"moduleName": f"skypanel/{name}"} for name in (NAME, FOLLOW)}}

# Of each package: its files, and what it is to Traefik.
_DOCUMENT = "document"
_SOURCES = {NAME: ("forward.go", "routes.go"), FOLLOW: ("follow.go",), _DOCUMENT: ("document.go",)}
_TYPES = {NAME: "middleware", FOLLOW: "provider"}

Json = dict[str, Any]


def files() -> dict[str, str]:
    """Return the plugins' files by path, relative to Traefik's working directory."""
    here = Path(__file__).parent
    sources = {f"{_folder(name)}/{source}": (here / source).read_text() for name, found in _SOURCES.items() for source in found}
    # JSON is valid YAML.
    return sources | {f"{_folder(name)}/.traefik.yml": json.dumps(_manifest(name, kind)) for name, kind in _TYPES.items()}


def _folder(name: str) -> str:
    return f"plugins-local/src/skypanel/{name}"


def _manifest(name: str, kind: str) -> Json:
    return {
        "displayName": f"SkyPanel's {kind}",
        "type": kind,
        "import": f"skypanel/{name}",
        "summary": "A part of SkyPanel's proxy.",
        "testData": {},
    }


def provider(url: str, file: str, token: str) -> Json:
    """Return the provider that follows the panel's configuration, with the fields of `Config` in follow.go."""
    return {FOLLOW: {"url": url, "file": file, "header": PROXY_TOKEN_HEADER, "token": token}}


@dataclass(frozen=True)
class Panel:
    """The panel's web server (host:port), and the token that authenticates the proxy there."""

    at: str
    token: str = field(repr=False)


def middleware(endpoints: Sequence[str] = (), panel: Panel | None = None, **options: Any) -> Json:  # noqa: ANN401 - JSON
    """Return a middleware. `options` are further fields of `Config` in forward.go."""
    told = {"panel": panel.at, "token": panel.token} if panel else {}
    return {"plugin": {NAME: {"endpoints": list(endpoints), **told, **options}}}


def entry_point(
    address: str, trusted: Sequence[str] = (), *, proxy_protocol: Sequence[str] = (), tls: bool = False, http3_port: int | None = None
) -> Json:
    """Return an entry point whose requests all pass the plugin.

    X-Forwarded headers are trusted only from the networks in `trusted`, and the PROXY protocol only from those in `proxy_protocol`.
    `http3_port` is where visitors reach the entry point by HTTP/3, if it offers that.
    """
    return {
        "address": address,
        "transport": {"respondingTimeouts": {"readTimeout": HEADER_TIMEOUT}, "lifeCycle": {"graceTimeOut": "3s"}},
        # The plugin adds the client's address. Traefik would do so again at an ingress, for the proxy in front of it.
        "forwardedHeaders": {"trustedIPs": list(trusted), "notAppendXForwardedFor": True},
        "http": {"sanitizePath": False, **ALIASES, **({"tls": {}} if tls else {})},
        **({"proxyProtocol": {"trustedIPs": list(proxy_protocol)}} if proxy_protocol else {}),
        **({"http3": {"advertisedPort": http3_port}} if http3_port else {}),
    }
