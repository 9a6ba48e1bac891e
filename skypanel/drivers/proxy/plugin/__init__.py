"""Our part of the proxy: a plugin that Traefik interprets, and the configuration that sends requests through it.

`forward.go` implements it, docs/adr/0017-traefik-has-a-plugin-of-ours.md says why. The options of an entry point are
https://doc.traefik.io/traefik/reference/install-configuration/entrypoints/.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NAME = "forward"
# Traefik's built-in service for routers whose middleware answers.
NO_SERVICE = "noop@internal"
# The timeout for a request's headers, including the TLS handshake. Its body has none.
HEADER_TIMEOUT = "20s"
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


def middleware(endpoints: Sequence[str] = (), panel: str = "", *, cleans: bool = False, ingress: bool = False) -> Json:
    """Return a middleware with the fields of `Config` in forward.go."""
    return {"plugin": {NAME: {"endpoints": list(endpoints), "panel": panel, "cleans": cleans, "ingress": ingress}}}


def entry_point(address: str, trusted: Sequence[str] = (), *, tls: bool = False) -> Json:
    """Return an entry point whose requests all pass the plugin. X-Forwarded headers are trusted only from the networks in `trusted`."""
    return {
        "address": address,
        "transport": {"respondingTimeouts": {"readTimeout": HEADER_TIMEOUT}, "lifeCycle": {"graceTimeOut": "3s"}},
        "forwardedHeaders": {"trustedIPs": list(trusted)},
        "http": {
            "sanitizePath": False,
            # Frameworks read X_Forwarded_For as X-Forwarded-For, which only a proxy may set.
            "aliasHeadersStrategy": "delete",
            **({"tls": {}} if tls else {}),
        },
    }
