"""The programs that an embedded panel calls, and the Debian packages that contain them.

Also a program that needs only the standard library of Python 3.11: `python packages.py [TOOL ...]` prints the missing packages. `make
env` runs it first, before anything is installed.
"""

import ctypes.util
import importlib.util
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

# A user's PATH may lack these. The panel's own PATH always has them.
SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
SYSTEM_PATH = ":".join(SYSTEM_FOLDERS)


@dataclass(frozen=True)
class Program:
    """A command, its Debian package, and the consequence of its absence."""

    command: str
    package: str
    purpose: str


PROGRAMS = (
    Program("git", "git", "no push can be received"),
    Program("ssh", "openssh-client", "nobody can push from here"),
    Program("ssh-keygen", "openssh-client", "no key for pushing can be made"),
    Program("bwrap", "bubblewrap", "builds and apps cannot run"),
    Program("ip", "iproute2", "sandboxes get no network"),
    Program("nft", "nftables", "sandboxes get no network"),
    Program("setpriv", "util-linux", "nothing can be run as another user"),
    Program("ps", "procps", "processes cannot be inspected"),
    Program("zstd", "zstd", "slugs cannot be packed"),
    Program("tar", "tar", "slugs cannot be packed"),
    Program("xz", "xz-utils", "language runtimes cannot be unpacked"),
    Program("curl", "curl", "buildpacks cannot download"),
    Program("mkfs.ext4", "e2fsprogs", "disks of builds cannot be limited"),
    Program("mount", "mount", "slugs cannot be mounted"),
    Program("slirp4netns", "slirp4netns", "sandboxes get no network where the panel is not root"),
    Program("node", "nodejs", "Node.js apps cannot be built"),
    Program("npm", "npm", "Node.js apps cannot be built"),
)
LIBSECCOMP = "libseccomp2"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
TOOLS = {
    "shellcheck": Program("shellcheck", "shellcheck", "shell scripts cannot be checked"),
    "chromium": Program("chromium", "chromium", "the dashboard cannot be tested in a browser"),
    "sshd": Program("sshd", "openssh-server", "pushes have nothing to be compared with"),
    "dockerd": Program("dockerd", "docker.io", "nothing can be run on Docker Swarm"),
    "pebble": Program("pebble", "pebble", "certificates cannot be issued in tests"),
    "named": Program("named", "bind9", "no records can be written to DNS in tests"),
    "prometheus": Program("prometheus", "prometheus", "nothing scrapes the panel in tests"),
    "mmdebstrap": Program("mmdebstrap", "mmdebstrap", "no stack image can be made where none can be pulled"),
}

Which = Callable[[str], str | None]


def which(command: str) -> str | None:
    """Find a command in the caller's PATH or in the system's folders."""
    return shutil.which(command) or shutil.which(command, path=SYSTEM_PATH)


def missing_programs(find: Which = which, tools: Sequence[str] = ()) -> tuple[Program, ...]:
    """Return the missing programs. `tools` names further ones to check."""
    return tuple(program for program in (*PROGRAMS, *(TOOLS[tool] for tool in tools)) if not find(program.command))


def missing_packages(find: Which = which, tools: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the packages to install, without duplicates."""
    return tuple(dict.fromkeys(program.package for program in missing_programs(find, tools)))


def missing_files() -> tuple[str, ...]:
    """Return the packages of missing files that are not commands: CA certificates, libseccomp, and venv's pip."""
    missing = (*(() if CERTIFICATES.exists() else ("ca-certificates",)), *(() if has_libseccomp() else (LIBSECCOMP,)))
    if importlib.util.find_spec("ensurepip") and importlib.util.find_spec("venv"):
        return missing
    is_default = Path("/usr/bin/python3").resolve() == Path(sys.executable).resolve()
    return (*missing, "python3-venv" if is_default else f"python3.{sys.version_info.minor}-venv")


def has_libseccomp() -> bool:
    """Whether the library that compiles seccomp filters is installed."""
    return ctypes.util.find_library("seccomp") is not None


if __name__ == "__main__":
    print(*missing_packages(tools=sys.argv[1:]), *missing_files())  # noqa: T201 - its output is what it is for
