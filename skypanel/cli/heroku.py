"""`skypanel heroku`: runs the real Heroku CLI against any panel."""

import asyncio
import hashlib
import json
import netrc
import os
import shutil
import signal
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import click

from skypanel.cli.relay import HOST, Target, relay
from skypanel.domain.errors import Invalid, NotFound, SkyPanelError, Unavailable
from skypanel.domain.names import printable
from skypanel.settings import sources

# The CLI keeps a login under host and port. The port is fixed for each panel, so that the next command finds it, and outside the kernel's
# ephemeral range.
FIRST_PORT, PORTS = 20_000, 10_000
QUIET = {
    "DISABLE_TELEMETRY": "true",
    "HEROKU_SKIP_ANALYTICS": "1",
    "HEROKU_DISABLE_AUTOUPDATE": "true",
    "HEROKU_SKIP_NEW_VERSION_CHECK": "true",
}
LOGGING_IN = frozenset({"login", "auth:login", "logout", "auth:logout"})
PASSING_ON = frozenset({"config:get", "config:edit"})
PROXIES = ("NO_PROXY", "no_proxy")
# If these are set, Heroku CLI 7 and 8 trust only them and ignore NODE_EXTRA_CA_CERTS.
OPENSSL = ("SSL_CERT_FILE", "SSL_CERT_DIR")
LOCAL = "localhost,127.0.0.1,::1"


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def heroku(arguments: Sequence[str]) -> None:
    """Run the Heroku CLI against this machine's panel, or the one at SKYPANEL_URL: skypanel heroku ps -a hello."""
    sys.exit(asyncio.run(_run(arguments, os.environ)))


async def _run(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    program = shutil.which("heroku", path=environ.get("PATH"))
    if program is None:
        raise Unavailable("The Heroku CLI is not installed.", "Install it: npm install -g heroku")
    target, own_token = panel(environ)
    with tempfile.TemporaryDirectory(prefix="skypanel-heroku-") as folder:
        private = Path(folder)
        login = login_port(target)
        async with relay(target, private, login) as port:
            token = environ.get("HEROKU_API_KEY") or environ.get("SKYPANEL_TOKEN") or _saved_token(environ, login) or own_token
            if LOGGING_IN.intersection(arguments[:1]):
                token = None
            _trusted(private, target, environ)
            variables = environment(environ, target, private / "trusted.pem", port, token) | _headers(arguments)
            return await _child([program, *arguments], variables)


def panel(environ: Mapping[str, str]) -> tuple[Target, str | None]:
    """Return the panel at SKYPANEL_URL, or else that of SKYPANEL_HOME and its token. Raises SkyPanelError if there is none."""
    url = environ.get("SKYPANEL_URL", "")
    if url:
        return Target(_origin(url), _text(Path(environ["SKYPANEL_CA"])) if environ.get("SKYPANEL_CA") else None), None
    try:
        loaded = sources.load(environ)
    except SkyPanelError as error:
        raise NotFound("There is no panel on this machine that you may use.", "Set SKYPANEL_URL to a panel's address.") from error
    authority, token = loaded.home / "ca.crt", loaded.home / "token"
    origin = loaded.address.https_url().rstrip("/")
    return Target(origin, _text(authority), is_here=True), _text(token).strip() if os.access(token, os.R_OK) else None


def login_port(target: Target) -> int:
    """Return the port under which the CLI keeps a panel's login."""
    return FIRST_PORT + int.from_bytes(hashlib.sha256(target.origin.encode()).digest()[:4]) % PORTS


def environment(environ: Mapping[str, str], target: Target, trusted: Path, port: int, token: str | None) -> dict[str, str]:
    """Return the CLI's environment. Its requests go to the relay, except git's: remotes must outlive the relay."""
    address = f"https://{HOST}:{port}"
    variables = {name: value for name, value in environ.items() if not name.startswith(("HEROKU_", "SKYPANEL_"))}
    variables |= {name: environ[name] for name in ("HEROKU_APP", "HEROKU_ORGANIZATION", "HEROKU_DEBUG") if name in environ}
    variables |= dict.fromkeys(("HEROKU_HOST", "HEROKU_PARTICLEBOARD_URL", "HEROKU_LOGIN_HOST"), address)
    variables |= {**QUIET, "HEROKU_GIT_HOST": target.host, "NODE_EXTRA_CA_CERTS": str(trusted)}
    variables |= {name: f"{environ[name]},{LOCAL}" if environ.get(name) else LOCAL for name in PROXIES}
    if any(environ.get(name) for name in OPENSSL):
        variables["SSL_CERT_FILE"] = str(trusted)
    if target.authority is not None:
        variables["GIT_SSL_CAINFO"] = str(trusted)
    return variables | ({"HEROKU_API_KEY": token} if token else {})


def _headers(arguments: Sequence[str]) -> dict[str, str]:
    """Return the variable with which the CLI sends headers: it accepts masked values, unless the command passes values on."""
    return {} if PASSING_ON.intersection(arguments[:1]) else {"HEROKU_HEADERS": json.dumps({"Config-Vars": "masked"})}


def _origin(url: str) -> str:
    try:
        split = urlsplit(url)
        _ = split.port
    except ValueError:
        split = urlsplit("")
    if split.scheme not in {"http", "https"} or not split.hostname or split.username or split.path not in {"", "/"} or split.query:
        raise Invalid(
            f"SKYPANEL_URL is {printable(url)}, which is not the address of a panel.", "Write it like this: https://paas.example.com"
        )
    return f"{split.scheme}://{split.netloc.lower()}"


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, ValueError) as error:
        raise Unavailable(f"{file} cannot be read.", "Check that the file exists and that you may read it.") from error


def _saved_token(environ: Mapping[str, str], port: int) -> str | None:
    """Return the token that `heroku login` saved for this panel. The CLI finds it only if the relay got its usual port."""
    with suppress(OSError, netrc.NetrcParseError):
        found = netrc.netrc(Path(environ.get("HOME", "/"), ".netrc")).authenticators(f"{HOST}:{port}")
        return found[2] if found else None
    return None


def _trusted(private: Path, target: Target, environ: Mapping[str, str]) -> None:
    """Write the CLI's trusted certificates to a file: the relay's, the panel's, and those it trusted before."""
    texts = [(private / "ca.pem").read_text(), target.authority or ""]
    for name in ("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"):
        with suppress(OSError, ValueError):
            texts.append(Path(environ.get(name, "")).read_text())
    (private / "trusted.pem").write_text("\n".join(texts))


async def _child(argv: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the CLI at this terminal and return its exit status. Only the CLI handles Ctrl-C."""
    loop = asyncio.get_running_loop()
    # The handlers come first: a signal that arrives right after the start must reach the CLI too.
    started: asyncio.Future[Process] = loop.create_future()
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, _forward, started, number)
    child = await asyncio.create_subprocess_exec(*argv, env=dict(environment))
    started.set_result(child)
    status = await child.wait()
    return 128 - status if status < 0 else status


def _forward(started: asyncio.Future[Process], number: int) -> None:
    """Send a signal to the CLI, once it runs."""
    started.add_done_callback(partial(_send, number))


def _send(number: int, started: asyncio.Future[Process]) -> None:
    with suppress(ProcessLookupError):
        started.result().send_signal(number)


COMMANDS = (heroku,)
