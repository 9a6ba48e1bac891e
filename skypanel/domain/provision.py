"""Commands that turn a machine into a node, as values. Each command is idempotent."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from skypanel.domain.errors import Conflict, Denied, Invalid
from skypanel.domain.names import printable

Argv = tuple[str, ...]

AGENT = "/opt/skypanel/agent"
CONFIG = "/etc/skypanel/agent.json"
UNIT = "/etc/systemd/system/skypanel-agent.service"
SERVICE = "skypanel-agent.service"
AGENT_LOG = "/var/log/skypanel-agent.log"
OLDEST_PYTHON = (3, 9)
# dpkg waits this long for another installer, such as the machine's own updates.
LOCK_S = 120
DOCKER_START_S = 60

_MEMBER = re.compile(r"^member=([a-z0-9]{1,64})$", re.MULTILINE)

# Prints one fact on each line. Uses root's rights, where they are available, for the facts that need them.
SURVEY = r"""
if [ "$(id -u)" = 0 ]; then root=; echo root=yes; elif sudo -n true 2>/dev/null; then root="sudo -n"; echo root=sudo; else root=false; fi
[ -r /etc/os-release ] && . /etc/os-release && echo "os=$PRETTY_NAME"
command -v apt-get >/dev/null && echo apt=yes
command -v docker >/dev/null && command -v dockerd >/dev/null && echo docker=yes
command -v zstd >/dev/null && echo zstd=yes
[ -d /run/systemd/system ] && echo systemd=yes
python3 -c 'import sys; print("python=%d.%d" % sys.version_info[:2])' 2>/dev/null
$root docker info --format 'daemon={{.ServerVersion}}
swarm={{.Swarm.LocalNodeState}}
member={{.Swarm.NodeID}}' 2>/dev/null
true
"""

INSTALL = rf"""
export DEBIAN_FRONTEND=noninteractive
# Without systemd, packages must not start services: a failed start would leave them half installed. We start Docker next.
[ -d /run/systemd/system ] || export RUNLEVEL=1
dpkg --configure -a
install() {{ apt-get -o DPkg::Lock::Timeout={LOCK_S} install --yes --quiet --no-install-recommends "$@"; }}
install "$@" && exit 0
apt-get -o DPkg::Lock::Timeout={LOCK_S} update --quiet && install "$@"
"""

START_DOCKER = rf"""
docker info >/dev/null 2>&1 && exit 0
if [ -d /run/systemd/system ]; then systemctl enable --now docker
elif ! service docker start; then setsid dockerd >>/var/log/docker.log 2>&1 </dev/null & fi
for _ in $(seq {DOCKER_START_S}); do docker info >/dev/null 2>&1 && exit 0; sleep 1; done
echo "Docker does not answer {DOCKER_START_S} s after it was started." >&2
exit 1
"""

# Writes a temporary file, then renames it: if the command is killed in between, the old file remains.
PLACE = r"""
umask 077
mkdir -p "$(dirname "$1")" && cat >"$1.new" && chmod "$2" "$1.new" && mv "$1.new" "$1"
"""

UNPACK = r"""
umask 022
rm -rf "$1.new" && mkdir -p "$1.new" && tar -x -f - -C "$1.new" && rm -rf "$1" && mv "$1.new" "$1"
"""

SYSTEMD_UNIT = f"""[Unit]
Description=SkyPanel's agent on this node
Wants=network-online.target
After=network-online.target docker.service

[Service]
ExecStart=/usr/bin/env python3 {AGENT} run {CONFIG}
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Survey:
    """What a machine has. `root` is "yes", "sudo", or empty if root's rights are not available."""

    root: str = ""
    os: str = "an unknown system"
    apt: bool = False
    docker: bool = False
    daemon: str = ""
    zstd: bool = False
    systemd: bool = False
    python: tuple[int, ...] = ()
    swarm: str = "inactive"
    member: str = ""

    def as_root(self, argv: Argv) -> Argv:
        """Return a command that runs with root's rights."""
        return argv if self.root == "yes" else ("sudo", "-n", *argv)


def survey_argv() -> Argv:
    """Return the command that surveys a machine."""
    return ("sh", "-c", SURVEY)


def read_survey(printed: str) -> Survey:
    """Parse what a survey printed; unknown lines are ignored."""
    facts = dict(line.split("=", 1) for line in printed.splitlines() if "=" in line)
    return Survey(
        root=facts.get("root", ""),
        os=printable(facts["os"])[1:-1] if facts.get("os") else Survey.os,
        apt="apt" in facts,
        docker="docker" in facts,
        daemon=facts.get("daemon", ""),
        zstd="zstd" in facts,
        systemd="systemd" in facts,
        python=_version(facts),
        swarm=facts.get("swarm", "inactive"),
        member=facts.get("member", ""),
    )


def _version(facts: Mapping[str, str]) -> tuple[int, ...]:
    parts = facts.get("python", "").split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else ()


def check_root(survey: Survey, user: str) -> None:
    """Raise Denied if the user cannot become root without a password."""
    if not survey.root:
        raise Denied(
            f"{user} is not root on this machine, and sudo requires a password.",
            "Log in as root, or let the user run sudo without a password.",
        )


def packages(survey: Survey) -> Argv:
    """Return the missing Debian packages. Raises Invalid if some are missing and the machine has no apt."""
    wanted = (("docker.io", survey.docker), ("python3", survey.python >= OLDEST_PYTHON), ("zstd", survey.zstd))
    missing = tuple(name for name, is_there in wanted if not is_there)
    if missing and not survey.apt:
        names = {"docker.io": "Docker", "python3": f"Python {'.'.join(map(str, OLDEST_PYTHON))}", "zstd": "zstd"}
        raise Invalid(
            f"This machine ({survey.os}) has no apt-get, so {' and '.join(names[name] for name in missing)} cannot be installed on it.",
            "Install that yourself, then provision the node again.",
        )
    return missing


def check_membership(survey: Survey, members: frozenset[str]) -> bool:
    """Whether a machine is already a member of our Swarm. Raises Conflict if it is a member of another one."""
    if survey.member and survey.member in members:
        return True
    if survey.swarm in {"active", "pending", "locked"}:
        raise Conflict("This machine is a member of another Swarm.", "Run `docker swarm leave` there, then provision the node again.")
    return False


def read_member(printed: str) -> str:
    """Return the member id that a machine printed after it joined. Raises Invalid if there is none."""
    found = _MEMBER.search(printed)
    if found is None:
        raise Invalid("This machine joined the Swarm, but does not report its node ID.", "Provision the node again.")
    return found[1]


def install_argv(names: Argv) -> Argv:
    """Return the command that installs Debian packages; it first completes an interrupted installation."""
    return ("sh", "-c", INSTALL, "install", *names)


def start_docker_argv() -> Argv:
    """Return the command that starts Docker if it does not respond, and waits until it does."""
    return ("sh", "-c", START_DOCKER)


def place_argv(path: str, mode: str) -> Argv:
    """Return the command that writes its stdin to a file."""
    return ("sh", "-c", PLACE, "place", path, mode)


def unpack_argv(path: str) -> Argv:
    """Return the command that replaces a folder with the tar on its stdin."""
    return ("sh", "-c", UNPACK, "unpack", path)


def image_id_argv(name: str) -> Argv:
    """Return the command that prints the id of an image, or nothing if the image is missing."""
    return ("sh", "-c", 'docker image inspect --format "{{.Id}}" "$1" 2>/dev/null || true', "image", name)


def load_argv() -> Argv:
    """Return the command that loads images from its stdin."""
    return ("docker", "load", "--quiet")


def agent_argv(action: str) -> Argv:
    """Return the command for an action of the agent: join, leave, start, stop."""
    return ("python3", AGENT, action, *((CONFIG,) if action == "start" else ()))


def start_agent_argv(survey: Survey) -> Argv:
    """Return the command that restarts the agent and keeps it running: with systemd, or else with its own supervisor."""
    if survey.systemd:
        return ("sh", "-c", f"systemctl daemon-reload && systemctl enable --quiet {SERVICE} && systemctl restart {SERVICE}")
    return agent_argv("start")


def stop_agent_argv(survey: Survey) -> Argv:
    """Return the command that stops the agent permanently and removes its secrets."""
    of_systemd = f"systemctl disable --now --quiet {SERVICE}; rm -f {UNIT}; systemctl daemon-reload"
    stop = of_systemd if survey.systemd else f"python3 {AGENT} stop"
    return ("sh", "-c", f"{stop}; rm -f {CONFIG}")
