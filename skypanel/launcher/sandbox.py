"""What a sandbox sees, as options of bubblewrap. Pure: nothing here touches the system."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from skypanel.domain.ids import AppId
from skypanel.domain.limits import SHM_BYTES

# An allow-list of /etc: what programs of the read-only system need. Other files may hold credentials, as those of
# pip, npm, git and apt do. Accounts, hosts and resolvers are the sandbox's own.
SYSTEM_ETC = (
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "debian_version",
    "fonts",
    "gai.conf",
    "host.conf",
    "inputrc",
    "java-11-openjdk",
    "java-17-openjdk",
    "java-21-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "lsb-release",
    "magic",
    "mime.types",
    "os-release",
    "perl",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
)
# Programs below /usr may keep configuration there, such as npm its credentials.
HIDDEN = ("/usr/etc", "/usr/local/etc")
SYSTEM_VAR = ("/var/lib/dpkg", "/var/cache/fontconfig")


@dataclass(frozen=True)
class Bind:
    """A path of the host that the sandbox sees as `target`."""

    source: Path
    target: str
    writable: bool = True


@dataclass(frozen=True)
class Spec:
    """One sandbox: its command, its user, and what it sees of the host."""

    app_id: AppId
    uid: int
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    directory: str
    binds: Sequence[Bind]
    network: bool
    resolvers: tuple[str, ...] = ()
    max_processes: int | None = None
    terminal: bool = False

    @property
    def hostname(self) -> str:
        """The hostname inside the sandbox."""
        return str(self.app_id)[:8]


def system_root(links: Mapping[str, str], folders: Sequence[str], hidden: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the options for the read-only system. `links` are top-level links into /usr; `hidden` folders appear empty."""
    options = ["--ro-bind", "/usr", "/usr"]
    for path in hidden:
        options += ["--tmpfs", path, "--remount-ro", path]
    for name, target in links.items():
        options += ["--symlink", target, f"/{name}"]
    for name in folders:
        options += ["--ro-bind", f"/{name}", f"/{name}"]
    return tuple(options)


@dataclass(frozen=True)
class System:
    """What this machine offers for sandboxes.

    `root` are the options for its read-only programs, `filter` is the seccomp filter.
    """

    root: tuple[str, ...]
    disable_userns: bool
    unprivileged: bool
    filter: bytes = field(repr=False)


def options(spec: Spec, system: System, files: Mapping[str, int], calls: int) -> tuple[str, ...]:
    """Return bubblewrap's options for `spec`.

    `files` maps paths in the sandbox to descriptors with their content. `calls` is the descriptor of the seccomp filter.
    """
    return (
        *("--unshare-all", "--unshare-user", *(("--disable-userns",) if system.disable_userns else ())),
        *("--uid", str(spec.uid), "--gid", str(spec.uid)),
        # root of a user namespace would pass its capabilities on to the sandbox
        *(("--cap-drop", "ALL") if system.unprivileged else ()),
        *("--seccomp", str(calls)),
        *("--die-with-parent", "--hostname", spec.hostname),
        # at a terminal, setsid(1) starts the session, and a session leader cannot start another
        *(() if spec.terminal else ("--new-session",)),
        *system.root,
        *("--proc", "/proc"),
        # /dev becomes read-only below, so that only /dev/shm can be filled
        *("--dev", "/dev", "--perms", "1777", "--size", str(SHM_BYTES), "--tmpfs", "/dev/shm"),  # noqa: S108 - the sandbox's own
        *("--remount-ro", "/dev"),
        *("--dir", "/etc", "--dir", "/run", "--dir", "/var", "--symlink", "/tmp", "/var/tmp"),  # noqa: S108 - the sandbox's own
        *(part for name in SYSTEM_ETC for part in ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")),
        *(part for path in SYSTEM_VAR for part in ("--ro-bind-try", path, path)),
        *(part for path, descriptor in files.items() for part in ("--perms", "0444", "--file", str(descriptor), path)),
        *(part for bind in spec.binds for part in ("--bind" if bind.writable else "--ro-bind", str(bind.source), bind.target)),
        *("--remount-ro", "/"),
        *("--chdir", spec.directory),
        "--clearenv",
        *(part for key, value in spec.environment.items() for part in ("--setenv", key, value)),
    )


def etc_files(spec: Spec) -> dict[str, bytes]:
    """Return the sandbox's own files of /etc."""
    resolvers = "".join(f"nameserver {address}\n" for address in spec.resolvers)
    return {
        "/etc/passwd": (
            f"root:x:0:0:root:/root:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
            f"app:x:{spec.uid}:{spec.uid}::/app:/bin/bash\n"
        ).encode(),
        "/etc/group": f"root:x:0:\nnogroup:x:65534:\napp:x:{spec.uid}:\n".encode(),
        "/etc/hosts": f"127.0.0.1 localhost {spec.hostname}\n::1 localhost\n".encode(),
        "/etc/resolv.conf": f"{resolvers}options timeout:2 attempts:3\n".encode(),
        "/etc/nsswitch.conf": b"passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
    }


def command(spec: Spec, system: System, arguments: int, info: int, gate: int) -> tuple[str, ...]:
    """Return the argv that makes the sandbox. Confidential options come by the descriptor `arguments`, not by the process list."""
    count = () if spec.max_processes is None else ("prlimit", f"--nproc={spec.max_processes}", "--")
    return (
        *(() if system.unprivileged else run_as(spec.uid)),
        *("bwrap", "--args", str(arguments), "--info-fd", str(info), "--block-fd", str(gate), "--"),
        *count,
        *spec.argv,
    )


def run_as(uid: int) -> tuple[str, ...]:
    """Return the command that drops root and becomes `uid`."""
    return ("setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "--no-new-privs", "--")
