"""How a dyno's command is run."""

from collections.abc import Mapping

# The files of .profile.d set up what buildpacks installed. The app's own .profile runs after them.
_BOOT = """\
cd /app
for script in /app/.profile.d/*.sh; do
  if [ -r "$script" ]; then . "$script"; fi
done
unset script
if [ -r /app/.profile ]; then . /app/.profile; fi
exec bash -c "$1"
"""


def boot(command: str) -> tuple[str, ...]:
    """Return the argv that runs a Procfile's command as Heroku does."""
    return ("bash", "-c", _BOOT, "bash", command)


def at_terminal(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the argv that makes a command's stdin its controlling terminal, so that ^C and window changes reach it."""
    return ("setsid", "--ctty", *argv)


def dyno_environment(config_vars: Mapping[str, str], name: str, port: int) -> dict[str, str]:
    """Return a dyno's environment. Config vars override the defaults; the platform's variables override both."""
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        **config_vars,
        "HOME": "/app",
        "PORT": str(port),
        "DYNO": name,
        "PS": name,
    }
