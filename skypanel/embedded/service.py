"""A systemd unit that starts the panel with the machine (systemd.service(5))."""

import os
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from skypanel.embedded import home as homes
from skypanel.embedded.open_files import WANTED
from skypanel.settings.declaration import VARIABLES, from_environment
from skypanel.settings.paths import home_folder, identity

SYSTEM_UNITS = Path("/etc/systemd/system")
USER_UNITS = Path(".config/systemd/user")


def unit(command: Path, home: Path, environ: Mapping[str, str], *, of_root: bool) -> str:
    """Return the unit's text. It contains the current environment's settings for the panel."""
    settings = {variable.key: environ[variable.key] for variable in VARIABLES if environ.get(variable.key)}
    certificates = {name: environ[name] for name in homes.CERTIFICATE_VARIABLES if environ.get(name)}
    user_home = {} if of_root or not environ.get("HOME") else {"HOME": environ["HOME"]}
    variables = {**user_home, **certificates, **settings, "SKYPANEL_HOME": str(home)}
    lines = (
        "[Unit]",
        "Description=SkyPanel",
        "Wants=network-online.target",
        "After=network-online.target",
        "",
        "[Service]",
        *(f"Environment={_quoted(f'{name}={value}')}" for name, value in variables.items()),
        f"ExecStart={_quoted(str(command)).replace('$', '$$')} up",
        # The panel stops its processes in order. systemd kills what is left.
        "KillMode=mixed",
        "TimeoutStopSec=120",
        "Restart=always",
        "RestartSec=5",
        "Delegate=yes",
        f"LimitNOFILE=65536:{WANTED}",
        "",
        "[Install]",
        f"WantedBy={'multi-user' if of_root else 'default'}.target",
        "",
    )
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """Return a quoted word for a unit file, with systemd's specifiers escaped."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def install(environ: Mapping[str, str]) -> str:
    """Write the unit for root's or the user's systemd, and return the next steps for the user."""
    of_root = os.geteuid() == 0
    home = home_folder(environ)
    from_environment(environ)  # a bad value fails here, where the user sees it
    folder = SYSTEM_UNITS if of_root else Path(environ.get("HOME", "."), USER_UNITS)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"skypanel-{identity(home)}.service"
    file.write_text(unit(Path(sysconfig.get_path("scripts")) / "skypanel", home, environ, of_root=of_root))
    scope = "systemctl" if of_root else "systemctl --user"
    lines = [f"Wrote {file}. Start it now and with the machine: {scope} daemon-reload && {scope} enable --now {file.name}"]
    if not of_root:
        lines.append(f"To have it run while you are not signed in: sudo loginctl enable-linger {environ.get('USER', '')}")
    return "\n".join(lines)
