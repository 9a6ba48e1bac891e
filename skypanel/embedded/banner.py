"""The text that `up` prints once the panel is ready."""

from dataclasses import dataclass
from pathlib import Path

from skypanel.domain.routing import Address

MAKE_KEY = "ssh-keygen -t ed25519"
SSH_PORT = 22


@dataclass(frozen=True)
class Facts:
    """The contents of the banner. `ssh_connection` is $SSH_CONNECTION: address and port of the client, then of the server."""

    address: Address
    home: Path
    login_path: str
    fingerprint: str
    keys: int
    user: str = ""
    ssh_connection: str = ""


def banner(facts: Facts) -> str:
    """Return the banner, without a newline at its end."""
    address = facts.address
    rows = (
        ("Dashboard", address.dashboard_url() + facts.login_path.removeprefix("/")),
        ("", "signs you in as the administrator, once"),
        *_warning(facts),
        ("Git remote", address.git_remote("<app>")),
        ("", f"or {address.https_remote('<app>')} with the API token as the password"),
        ("Host key", facts.fingerprint),
        ("API token", str(facts.home / "token")),
        ("SSH keys", keys_line(facts.keys)),
    )
    lines = (
        "SkyPanel is up.",
        "",
        *(f"  {name:<12}{text}" for name, text in rows),
        "",
        "Try it, in the repository of an app:",
        f"  git remote add skypanel {address.git_remote('hello')}",
        "  git push skypanel main",
        f"  curl {address.url('hello')}",
        "",
        f"To trust its HTTPS: {trust_line(facts.home)}",
        f"Or in git alone: git config --global http.{address.https_url()}.sslCAInfo {facts.home / 'ca.crt'}",
        *tunnel_lines(facts),
        "Ctrl-C stops it.",
    )
    return "\n".join(lines)


def _warning(facts: Facts) -> tuple[tuple[str, str], ...]:
    """Return a warning about the certificate if the dashboard has TLS: browsers do not trust the home's CA at first."""
    if not facts.address.dashboard_has_tls:
        return ()
    return (("", f"your browser warns of its certificate until it trusts {facts.home / 'ca.crt'}"),)


def keys_line(keys: int) -> str:
    """Return how many keys may push, or how to make and add the first one."""
    if keys:
        return f"{keys} may push" if keys > 1 else "one may push"
    return f"none may push yet: {MAKE_KEY} && skypanel keys add ~/.ssh/id_ed25519.pub"


def trust_line(home: Path) -> str:
    """Return the command that makes Debian trust the home's CA, which can only issue certificates for this panel's names."""
    return f"sudo cp {home / 'ca.crt'} /usr/local/share/ca-certificates/skypanel.crt && sudo update-ca-certificates"


def tunnel_lines(facts: Facts) -> tuple[str, ...]:
    """Return how to reach the panel through an SSH tunnel, if the user is connected by SSH."""
    parts = facts.ssh_connection.split()
    if len(parts) != 4:  # noqa: PLR2004 - ssh(1): client address and port, server address and port
        return ()
    server, port = parts[2], int(parts[3])
    address = facts.address
    ports = (address.http_port, address.https_port, address.rendezvous_port, address.ssh_port)
    forwards = " ".join(f"-L {number}:localhost:{number}" for number in ports)
    to_port = "" if port == SSH_PORT else f"-p {port} "
    return (f"From your own machine: ssh {to_port}{forwards} {facts.user}@{server}",)
