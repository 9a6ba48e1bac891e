"""Our part of the proxy: a plugin that Traefik interprets, and the configuration that sends requests through it.

`forward.go` implements it, docs/adr/0017-traefik-has-a-plugin-of-ours.md says why. The options of an entry point are
https://doc.traefik.io/traefik/reference/install-configuration/entrypoints/.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAME = "forward"
# Traefik's built-in service for routers whose middleware answers.
NO_SERVICE = "noop@internal"
# The timeout for a request's headers, including the TLS handshake. Its body has none.
HEADER_TIMEOUT = "20s"
# Frameworks read X_Forwarded_For as X-Forwarded-For, which only a proxy may set.
ALIASES = {"aliasHeadersStrategy": "delete"}
STATIC = {"localPlugins": {NAME: {"moduleName": f"skypanel/{NAME}"}}}

_FOLDER = f"plugins-local/src/skypanel/{NAME}"
_MANIFEST = {
    "displayName": "SkyPanel's proxy plugin",
    "type": "middleware",
    "import": f"skypanel/{NAME}",
    "summary": "Passes requests on as they were sent.",
    "testData": {},
}

Json = dict[str, Any]


def files() -> dict[str, str]:
    """Return the plugin's files by path, relative to Traefik's working directory."""
    source = Path(__file__).with_name("forward.go").read_text()
    # JSON is valid YAML.
    return {f"{_FOLDER}/forward.go": source, f"{_FOLDER}/.traefik.yml": json.dumps(_MANIFEST)}


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
        "forwardedHeaders": {"trustedIPs": list(trusted)},
        "http": {"sanitizePath": False, **ALIASES, **({"tls": {}} if tls else {})},
        **({"proxyProtocol": {"trustedIPs": list(proxy_protocol)}} if proxy_protocol else {}),
        **({"http3": {"advertisedPort": http3_port}} if http3_port else {}),
    }
