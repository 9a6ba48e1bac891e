"""`skypanel doctor`: what this machine lacks, which parts of a running panel do not answer, and how to fix that."""

import asyncio
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from skypanel.domain.engine import EngineKind
from skypanel.domain.errors import NotFound, SkyPanelError
from skypanel.domain.limits import GIB
from skypanel.domain.transcript import size
from skypanel.embedded import choices, health, users
from skypanel.embedded.children import log_path
from skypanel.embedded.finding import Finding
from skypanel.embedded.listeners import check_public_ports
from skypanel.embedded.machine import HostFeatures, as_found, inspect
from skypanel.embedded.open_files import CONNECTIONS, WANTED
from skypanel.embedded.packages import Program, missing_programs
from skypanel.embedded.supervisor import Supervisor
from skypanel.engines import embedded
from skypanel.settings import Settings, sources
from skypanel.settings.declaration import Variables, from_environment
from skypanel.settings.paths import home_folder
from skypanel.tasks import together

LEAST_DISK_BYTES = 5 * GIB


@dataclass(frozen=True)
class Check:
    """One check of a machine, with the message if `holds` is false."""

    name: str
    holds: Callable[[HostFeatures], bool]
    wrong: str
    remedy: str
    is_warning: bool = False


KERNEL_CHECKS = (
    Check(
        "user namespaces",
        lambda machine: machine.is_root or machine.has_user_namespaces,
        "Without them, builds and apps cannot run unless root starts the panel.",
        "sudo sysctl -w user.max_user_namespaces=15000 (old Debian: kernel.unprivileged_userns_clone=1), or start the panel as root.",
    ),
    Check(
        "AppArmor",
        lambda machine: machine.is_root or not machine.apparmor_restricts_namespaces,
        "It keeps unprivileged programs from creating user namespaces, so builds and apps cannot run.",
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or start the panel as root.",
    ),
    Check(
        "/dev/net/tun",
        lambda machine: machine.is_root or machine.has_tunnels,
        "Builds and apps get no network unless root starts the panel.",
        "sudo chmod 666 /dev/net/tun (sudo modprobe tun, if it is not there), or start the panel as root.",
    ),
    Check(
        "overlay",
        lambda machine: not machine.is_root or "overlay" in machine.filesystems,
        "Apps cannot be started from their slugs.",
        "sudo modprobe overlay",
    ),
    Check(
        "system calls",
        lambda machine: machine.filters_calls,
        "They cannot be filtered, so builds and apps cannot run.",
        "sudo apt-get install libseccomp2, and use a kernel with CONFIG_SECCOMP_FILTER.",
    ),
    Check(
        "loop devices",
        lambda machine: not machine.is_root or machine.has_loop_devices,
        "The disk of a build is checked from time to time, not limited: a fast writer can exceed the limit.",
        "sudo modprobe loop",
        is_warning=True,
    ),
    Check(
        "nftables",
        lambda machine: not machine.is_root or machine.has_nftables,
        "Builds and apps get no network.",
        "sudo modprobe nf_tables; in a container, give it CAP_NET_ADMIN.",
    ),
    Check(
        "control groups",
        lambda machine: not machine.is_root or machine.has_cgroups,
        "The memory, CPU time and number of processes of apps cannot be limited.",
        "Mount them writable: sudo mount -t cgroup2 none /sys/fs/cgroup",
        is_warning=True,
    ),
    Check(
        "nested namespaces",
        lambda machine: machine.closes_namespaces,
        "Builds and apps can create user namespaces of their own, which open more of the kernel to them.",
        "Install bubblewrap 0.8 or newer.",
        is_warning=True,
    ),
    Check(
        "name servers",
        lambda machine: machine.has_resolvers,
        "This machine is its own only name server, which builds and apps cannot reach: they cannot resolve names.",
        "Add a name server that others can reach to /etc/resolv.conf.",
        is_warning=True,
    ),
    Check(
        "open files",
        lambda machine: machine.open_files >= WANTED,
        f"The public ports can hold fewer than {CONNECTIONS} connections at a time: each takes two open files.",
        f"Raise the limit of the user who starts the panel: ulimit -Hn {WANTED}, or LimitNOFILE={WANTED} in its unit.",
        is_warning=True,
    ),
    Check(
        "not root: memory, processor and number of processes",
        lambda machine: machine.is_root,
        "They are limited for each process of a build or an app, not for all of its processes together.",
        "Start the panel as root to limit them.",
        is_warning=True,
    ),
    Check(
        "not root: disk",
        lambda machine: machine.is_root,
        "It is checked from time to time, not limited: a fast writer can exceed the limit.",
        "Start the panel as root to limit it.",
        is_warning=True,
    ),
    Check(
        "not root: connections",
        lambda machine: machine.is_root,
        "One address can open any number of connections to the public ports: SKYPANEL_CONNECTIONS_PER_ADDRESS has no effect.",
        "Start the panel as root to limit them, or limit them with a firewall.",
        is_warning=True,
    ),
    Check(
        "not root: users",
        lambda machine: machine.is_root,
        "All apps run as your own user, isolated only by namespaces.",
        "Start the panel as root to give each app a user of its own.",
        is_warning=True,
    ),
)


def run(environ: Mapping[str, str]) -> int:
    """Print the report and return the exit status: 1 if a problem prevents the panel from working."""
    found = asyncio.run(findings(environ))
    click.echo(report(found))
    return int(any(not finding.is_warning for finding in found))


def report(found: Iterable[Finding]) -> str:
    """Return the text of a report: errors first, then warnings."""
    ordered = sorted(found, key=lambda finding: finding.is_warning)
    if not ordered:
        return "All is well."
    return "\n".join(f"{_kind(finding)}{finding.name}: {finding.wrong}\n{'':<9}{finding.remedy}" for finding in ordered)


def _kind(finding: Finding) -> str:
    return f"{'warning' if finding.is_warning else 'wrong':<9}"


async def findings(environ: Mapping[str, str]) -> tuple[Finding, ...]:
    """Check the machine, and the panel if there is one."""
    home = home_folder(environ)
    machine = inspect()
    features = await launcher_features(environ)
    return (
        *program_findings(missing_programs(), is_root=os.geteuid() == 0),
        *kernel_findings(as_found(machine, features) if features else machine),
        *_reach_findings(home),
        *disk_findings(home, _free_bytes(home)),
        *await _panel_findings(environ),
        *await _swarm_findings(environ),
    )


async def launcher_features(environ: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the features that a running launcher found by trying them; empty if none runs."""
    try:
        return await embedded.features(sources.load(environ), health.PATIENCE_S)
    except SkyPanelError:
        return {}


def program_findings(missing: Iterable[Program], *, is_root: bool) -> tuple[Finding, ...]:
    """Return a finding for each missing program. Only panels without root need slirp4netns."""
    wanted = (program for program in missing if not (is_root and program.command == "slirp4netns"))
    return tuple(
        Finding(program.command, f"It is not installed: {program.purpose}.", f"sudo apt-get install {program.package}")
        for program in wanted
    )


def kernel_findings(machine: HostFeatures) -> tuple[Finding, ...]:
    """Return a finding for each check that fails."""
    return tuple(Finding(check.name, check.wrong, check.remedy, check.is_warning) for check in KERNEL_CHECKS if not check.holds(machine))


def disk_findings(home: Path, free_bytes: int) -> tuple[Finding, ...]:
    """Return a finding if free space may not suffice for a build."""
    if free_bytes >= LEAST_DISK_BYTES:
        return ()
    wrong = f"Only {size(free_bytes)} are free where {home} is; a build may use 4G."
    return (Finding("disk", wrong, "Free some space, or set SKYPANEL_HOME to a folder on a larger disk.", is_warning=True),)


def _free_bytes(home: Path) -> int:
    return shutil.disk_usage(next(folder for folder in (home, *home.parents) if folder.exists())).free


def _reach_findings(home: Path) -> tuple[Finding, ...]:
    user = users.known_panel_user()
    if user is None:
        return ()
    try:
        users.check_reach(home, user)
    except SkyPanelError as error:
        return (Finding("home", error.message, error.hint),)
    return ()


async def _panel_findings(environ: Mapping[str, str]) -> tuple[Finding, ...]:
    try:
        loaded = sources.load(environ)
    except NotFound:
        return _port_findings(environ, None)
    except SkyPanelError as error:
        return (Finding("settings", error.message, error.hint),)
    try:
        await Supervisor(loaded.run_dir / "supervisor.sock").states()
    except SkyPanelError:
        stopped = Finding("panel", f"The panel in {loaded.home} is not running.", "Start it with `skypanel up`.", is_warning=True)
        return (stopped, *_port_findings(environ, loaded), *http3_findings(loaded, is_running=False))
    answers = await together(*(part.answers(loaded) for part in health.SERVICES))
    silent = tuple(
        Finding(part.title, "It does not answer.", f"See its log: {log_path(loaded.home, part.name)}")
        for part, answered in zip(health.SERVICES, answers, strict=True)
        if not answered
    )
    return (*silent, *http3_findings(loaded, is_running=True))


def http3_findings(loaded: Settings, *, is_running: bool) -> tuple[Finding, ...]:
    """Check that the proxy receives UDP, or that nobody else does, if HTTP/3 is on."""
    port = loaded.address.https_port
    if loaded.http3 == "off" or choices.udp_port_is_free(port) != is_running:
        return ()
    if is_running:
        return (Finding("http3", f"Nothing receives UDP at port {port}.", f"See the proxy's log: {log_path(loaded.home, 'traefik')}"),)
    return (Finding("http3", f"UDP port {port} is taken.", "Stop the process that has it, or set SKYPANEL_HTTP3=off."),)


async def _swarm_findings(environ: Mapping[str, str]) -> tuple[Finding, ...]:
    """Check the Swarm, if it is the chosen engine."""
    try:
        loaded = sources.load(environ)
    except SkyPanelError:
        return ()
    if loaded.engine != EngineKind.SWARM:
        return ()
    from skypanel.embedded import doctor_swarm

    return await doctor_swarm.findings(loaded)


def _port_findings(environ: Mapping[str, str], loaded: Settings | None) -> tuple[Finding, ...]:
    try:
        check_public_ports((loaded or Variables(**from_environment(environ))).address)
    except SkyPanelError as error:
        return (Finding("ports", error.message, error.hint),)
    return ()
