"""A home and its supervisord, with the panel's programs that a test needs."""

import asyncio
import contextlib
import os
import shutil
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

from skypanel.embedded import choices, home, processes, running
from skypanel.embedded.children import Child
from skypanel.embedded.supervisor import Supervisor
from skypanel.embedded.users import User
from tests.support import until as waited

# Programs start here that import all of the panel.
until = partial(waited.until, within_s=60.0)


@contextlib.contextmanager
def home_with(*names, also=()):
    """Make a home whose supervisord starts these programs, and those in `also`."""
    folder = Path(tempfile.mkdtemp(prefix="sky", dir="/var/tmp"))
    ports = {f"SKYPANEL_{name}_PORT": str(choices.free_port()) for name in ("SSH", "HTTP", "HTTPS", "RENDEZVOUS")}
    made = home.init(folder, {**os.environ, **ports})
    chosen = [each for each in processes.programs(made, processes.installed()) if each.name in names]
    started = [replace(each, group=processes.STORAGE) for each in (*chosen, *also)]
    (made.run_dir / "supervisord.conf").write_text(processes.supervisord_config(made, started))
    yield made
    shutil.rmtree(folder)
    shutil.rmtree(made.run_dir)


@contextlib.asynccontextmanager
async def started(settings):
    """Run supervisord while the block runs."""
    argv = running.supervisord_argv(settings, User(settings.panel_uid, settings.panel_gid))
    child = Child("supervisord", argv, home.service_environment(settings.home, os.environ), settings.home, 60.0)
    await child.start()
    try:
        yield child
    finally:
        await child.stop(asyncio.Event())


async def states(settings):
    """Return supervisord's states of its programs, by name."""
    return await Supervisor(settings.run_dir / "supervisor.sock").states()


def user_of(pid):
    return Path(f"/proc/{pid}").stat().st_uid


def is_gone(pid):
    return not Path(f"/proc/{pid}").exists()
