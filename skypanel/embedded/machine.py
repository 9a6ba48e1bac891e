"""The features of this machine and its kernel that a panel needs."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from skypanel.embedded.open_files import raise_limit
from skypanel.embedded.packages import has_libseccomp
from skypanel.host.resolvers import host_resolvers

CGROUPS = Path("/sys/fs/cgroup")
SECCOMP = Path("/proc/sys/kernel/seccomp/actions_avail")


@dataclass(frozen=True)
class HostFeatures:
    """The facts that `doctor` checks."""

    is_root: bool
    has_user_namespaces: bool
    apparmor_restricts_namespaces: bool
    filesystems: frozenset[str]
    has_loop_devices: bool
    has_nftables: bool
    has_cgroups: bool
    has_tunnels: bool
    closes_namespaces: bool
    has_resolvers: bool
    filters_calls: bool
    open_files: int


def inspect() -> HostFeatures:
    """Inspect this machine, without changes to it."""
    return HostFeatures(
        is_root=os.geteuid() == 0,
        has_user_namespaces=_is_on("/proc/sys/user/max_user_namespaces")
        and _is_on("/proc/sys/kernel/unprivileged_userns_clone", otherwise=True),
        apparmor_restricts_namespaces=_is_on("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        filesystems=filesystems(Path("/proc/filesystems").read_text()),
        has_loop_devices=Path("/dev/loop-control").exists(),
        has_nftables=_succeeds("nft", "list", "tables"),
        has_cgroups=has_cgroups(CGROUPS),
        has_tunnels=os.access("/dev/net/tun", os.R_OK | os.W_OK),
        closes_namespaces="--disable-userns" in _output("bwrap", "--help"),
        # slirp4netns forwards DNS queries to the host's name servers.
        has_resolvers=os.geteuid() != 0 or bool(host_resolvers()),
        filters_calls=SECCOMP.exists() and has_libseccomp(),
        open_files=raise_limit(),
    )


def as_found(machine: HostFeatures, features: Mapping[str, Any]) -> HostFeatures:
    """Return the machine with the features that a running launcher found by trying them."""
    return replace(
        machine,
        is_root=features["root"],
        has_loop_devices=features["loop_devices"],
        has_cgroups=features["cgroups"],
        closes_namespaces=features["disable_userns"],
        has_resolvers=bool(features["resolvers"]),
    )


def filesystems(text: str) -> frozenset[str]:
    """Return the filesystems in `/proc/filesystems`: the last word of each line."""
    return frozenset(line.split()[-1] for line in text.splitlines() if line.strip())


def has_cgroups(folder: Path) -> bool:
    """Whether cgroups can be created, in version 2 or in the memory controller of version 1."""
    return any((tree / "cgroup.procs").exists() and os.access(tree, os.W_OK) for tree in (folder, folder / "memory"))


def _is_on(path: str, *, otherwise: bool = False) -> bool:
    """Whether a kernel setting is above zero. Returns `otherwise` if the kernel does not have it."""
    try:
        return int(Path(path).read_text()) > 0
    except (OSError, ValueError):
        return otherwise


def _output(*argv: str) -> str:
    try:
        return subprocess.run(argv, check=False, capture_output=True, text=True).stdout
    except OSError:
        return ""


def _succeeds(*argv: str) -> bool:
    try:
        return subprocess.run(argv, check=False, capture_output=True).returncode == 0
    except OSError:
        return False
