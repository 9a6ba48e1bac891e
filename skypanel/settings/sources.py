"""Loads the settings. Only this module reads the environment.

Of three sources the first that has a value counts: the environment, `HOME/panel.json`, the default.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

from skypanel.domain.engine import EngineKind
from skypanel.domain.errors import Denied, Invalid, NotFound, SkyPanelError
from skypanel.host.ranges import FIRST_UID_BASE
from skypanel.ports.queue import PERIODIC, QUEUES, Job
from skypanel.settings import Settings, panel_json
from skypanel.settings.declaration import HOME, WorkerVariables, from_environment, settings_of
from skypanel.settings.paths import home_folder, root_run_dir

NO_SUBNET = IPv4Network("10.0.0.0/18")  # a placeholder: a worker on another machine starts no sandboxes
# The variable by which `python -m workers` passes the panel's id from the database to the worker.
IDENTITY = "SKYPANEL_IDENTITY"
# Work that needs a Swarm's ingress, or decides about all of its nodes.
BOUND_QUEUES = frozenset({Job.ROLLOUT, PERIODIC})


def load(environ: Mapping[str, str]) -> Settings:
    """Read the settings of a panel that was initialized.

    Raises NotFound if there is none, Denied if the caller may not read it, Invalid for a bad value.
    """
    home = home_folder(environ)
    now = from_environment(environ)
    try:
        chosen = replace(panel_json.read((home / "panel.json").read_text()), **now)
        owner = home.stat()
        if owner.st_uid != os.geteuid():
            # root does not trust another user's run_dir, because it will delete that folder
            chosen = replace(chosen, run_dir=root_run_dir(home))
        return Settings(
            **vars(chosen),
            home=home,
            panel_uid=owner.st_uid,
            panel_gid=owner.st_gid,
            database_password=_secret(home, "postgres.password", owner.st_uid),
            valkey_password=_secret(home, "valkey.password", owner.st_uid),
            traefik_token=_secret(home, "traefik.token", owner.st_uid),
        )
    except OSError as error:
        raise _unreadable(home, error) from error


def of_worker(environ: Mapping[str, str]) -> Settings:
    """Read the settings of a worker: of this machine's panel, or only of the environment if that names a database.

    Raises what `load` raises, and Invalid if a variable is missing.
    """
    for_worker = from_environment(environ, WorkerVariables)
    if "database_url" not in for_worker:
        return load(environ)
    missing = [setting.key for name, setting in settings_of(WorkerVariables).items() if not for_worker.get(name)]
    if missing:
        raise Invalid(f"SKYPANEL_DATABASE_URL is set, but {' and '.join(missing)} not.", "A worker on another machine needs all three.")
    folder = environ.get(HOME.key) or f"/var/tmp/skypanel-worker-{os.geteuid()}"  # noqa: S108 - a folder of another user is rejected
    home = Path(folder).resolve()
    loaded = Settings(
        **from_environment(environ),
        **for_worker,
        home=home,
        run_dir=home / "run",
        uid_base=FIRST_UID_BASE,
        subnet=NO_SUBNET,
        panel_uid=os.geteuid(),
        panel_gid=os.getegid(),
        panel_identity=environ.get(IDENTITY, ""),
    )
    _check_work(loaded)
    return loaded


def _check_work(settings: Settings) -> None:
    """Raise Invalid for queues that only the panel's machine can work on."""
    bound = [name for name in settings.queues if settings.engine == EngineKind.SWARM and name in BOUND_QUEUES]
    if bound:
        raise Invalid(
            f"On a Swarm, {' and '.join(bound)} run only on the panel's own machine, which has the ingress.",
            f"Set SKYPANEL_QUEUES to {','.join(name for name in QUEUES if name not in BOUND_QUEUES)} or one of them.",
        )


def _secret(home: Path, name: str, owner: int) -> str:
    """Return a secret that the home's owner wrote.

    Raises Invalid if another user owns the file: through a link, root would reveal that user's file.
    """
    with (home / "keys" / name).open() as file:
        if os.fstat(file.fileno()).st_uid != owner:
            raise Invalid(f"{file.name} does not belong to the panel's user.", "Restore it from a backup, with its owner.")
        return file.read().strip()


def _unreadable(home: Path, error: OSError) -> SkyPanelError:
    if isinstance(error, PermissionError):
        return Denied(f"{error.filename} is not readable for you.", "Run this as the user who started the panel.")
    return NotFound(f"There is no panel in {home}.", "Start one with `skypanel up`, or set SKYPANEL_HOME to the home of yours.")
