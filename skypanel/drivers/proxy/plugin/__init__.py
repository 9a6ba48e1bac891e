"""The part of the front door that is ours: a plugin that Traefik interprets, and Traefik's configuration of what leads to it.

`door.go` says what it does, docs/adr/0017-the-front-door-has-a-part-of-ours.md why. The options of an entry point are
https://doc.traefik.io/traefik/reference/install-configuration/entrypoints/.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NAME = "door"
# A service of Traefik's own, for routers whose middleware answers.
NO_SERVICE = "noop@internal"
# For the headers of a request, a TLS handshake included; its body may take as long as it takes.
HEADER_TIMEOUT = "20s"
STATIC = {"localPlugins": {NAME: {"moduleName": f"skypanel/{NAME}"}}}

_FOLDER = f"plugins-local/src/skypanel/{NAME}"
_MANIFEST = {
    "displayName": "SkyPanel's front door",
    "type": "middleware",
    "import": f"skypanel/{NAME}",
    "summary": "Passes requests on as they were sent.",
    "testData": {},
}

Json = dict[str, Any]


def files() -> dict[str, str]:
    """Return the plugin's files, by their paths in the folder that Traefik is started in."""
    source = Path(__file__).with_name("door.go").read_text()
    # JSON is YAML.
    return {f"{_FOLDER}/door.go": source, f"{_FOLDER}/.traefik.yml": json.dumps(_MANIFEST)}


def middleware(endpoints: Sequence[str] = (), panel: str = "", *, cleans: bool = False, ingress: bool = False) -> Json:
    """Return a middleware as `Config` in door.go describes it."""
    return {"plugin": {NAME: {"endpoints": list(endpoints), "panel": panel, "cleans": cleans, "ingress": ingress}}}


def entry_point(address: str, trusted: Sequence[str] = (), *, tls: bool = False) -> Json:
    """Return an entry point whose requests all go through the plugin; `trusted` are networks whose X-Forwarded headers are believed."""
    return {
        "address": address,
        "transport": {"respondingTimeouts": {"readTimeout": HEADER_TIMEOUT}, "lifeCycle": {"graceTimeOut": "3s"}},
        "forwardedHeaders": {"trustedIPs": list(trusted)},
        "http": {
            "sanitizePath": False,
            # Frameworks take X_Forwarded_For for X-Forwarded-For, which only a proxy may say.
            "aliasHeadersStrategy": "delete",
            **({"tls": {}} if tls else {}),
        },
    }
