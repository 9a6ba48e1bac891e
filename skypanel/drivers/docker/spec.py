"""The containers, volumes and network of a workspace, as values for Docker. Pure.

A workspace consists of volumes, a guard, and a container for each step. The guard holds the network that steps share,
with rules that they cannot change, and measures the volumes. It ends when the panel's connection to it ends.
Objects labelled with the name of an ended guard are orphans.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skypanel.domain.ids import AppId
from skypanel.domain.limits import MIB, SHM_BYTES, Limits
from skypanel.domain.stack import INIT, UID
from skypanel.drivers.docker.api import PANEL, Json
from skypanel.drivers.docker.seccomp import docker_profile
from skypanel.ports.builder import Step

NETWORK = "skypanel-builds"
WORKSPACE = "skypanel.workspace"
GUARD = "skypanel.guard"
CACHE = "skypanel.cache"
LOOK = "skypanel.look"
CERTIFICATES = "/etc/ssl/certs"
FOLDERS = ("app", "env", "tmp")
_GUARD_BYTES = 128 * MIB
_GUARD_PIDS = 32
_CPU_UNIT = 1_000_000_000
# The kernel kills them first when the machine runs out of memory (proc(5)).
_OOM_SCORE = 500
# Applies the rules, then prints a line of figures at intervals, and at once for each number that it reads. The figures are
# that number, bytes and files of the workspace, bytes of the cache.
_GUARD = """
printf '%s' "$RULES" | nft -f - || exit 1
cached() { set -- $(du -sB1 /cache 2>/dev/null); echo "${1:-0}"; }
(($(cached) <= CACHE_KEPT)) || find /cache -mindepth 1 -delete
echo ready
read=0
while :; do
  began=${EPOCHREALTIME/./}
  bytes=$(du -scB1 /app /env /tmp 2>/dev/null | tail -n 1)
  files=$(du -sc --inodes /app /env /tmp 2>/dev/null | tail -n 1)
  echo "$read ${bytes%%[!0-9]*} ${files%%[!0-9]*} $(cached)"
  pause=$(((${EPOCHREALTIME/./} - began) * 4))
  ((pause > 500000)) || pause=500000
  ((pause < 5000000)) || pause=5000000
  line=
  if read -r -t "$((pause / 1000000)).$(printf %06d $((pause % 1000000)))" line; then
    read=${line:-0}
  elif (($? <= 128)); then
    exit 0
  fi
done
"""
# The exit status of a step in which the OOM killer ended a process.
OUT_OF_MEMORY = 249
# Docker's two pipes do not keep the order between stdout and stderr, so merged output uses one. The counters of a
# container's control group vanish with it, and not every Docker reports them: so the script reads them inside, in either version.
_RUN = """
exec 3>&2 2>/dev/null
"$@" 2>&{stderr} 3>&-
status=$?
for events in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
  [ ! -r "$events" ] || while read -r name count; do
    [ "$name" != oom_kill ] || [ "$count" = 0 ] || status={out_of_memory}
  done <"$events"
done
exit "$status"
"""


@dataclass(frozen=True)
class Place:
    """One workspace: its name, its app, its image and limits, and the panel that owns the app's cache."""

    name: str
    app_id: AppId
    image: str
    limits: Limits
    certificates: bool
    panel: str = ""

    @property
    def labels(self) -> dict[str, str]:
        """The labels of all objects that are removed with the workspace."""
        return {WORKSPACE: self.name}

    @property
    def guard(self) -> str:
        """The name of its guard."""
        return f"skypanel-build-{self.name}"

    @property
    def cache(self) -> str:
        """The volume of the app's cache, which outlives the workspace."""
        return cache_name(self.app_id)

    def volume(self, folder: str) -> str:
        """Return the name of a volume that is removed with the workspace."""
        return f"{self.guard}-{folder}"


def cache_name(app_id: AppId) -> str:
    """Return the name of an app's cache."""
    return f"skypanel-cache-{app_id}"


def guard(place: Place, rules: str) -> Json:
    """Return the container that holds a workspace's network and measures its disk."""
    lasting = _mount(place.cache, "/cache", {CACHE: str(place.app_id), PANEL: place.panel})
    return {
        "Image": place.image,
        "User": "0:0",
        "WorkingDir": "/",
        "Entrypoint": [*INIT, "bash", "-c", _GUARD],
        "Env": [f"RULES={rules}", f"CACHE_KEPT={place.limits.cache_bytes}"],
        "Labels": {**place.labels, GUARD: "yes"},
        **_STREAMS,
        "HostConfig": {
            **_confined(_GUARD_BYTES, _GUARD_PIDS),
            "CapAdd": ["NET_ADMIN", "DAC_OVERRIDE"],
            "NetworkMode": NETWORK,
            "Mounts": [lasting, *(_mount(place.volume(name), target, place.labels) for name, target in _targets(place).items())],
        },
    }


def step(place: Place, wanted: Step, *, merged: bool) -> Json:
    """Return the container that runs a step. With `merged`, its stderr comes with its stdout, in order."""
    environment = {**wanted.environment, "PWD": wanted.directory}
    unset = [word for name in ("HOSTNAME", "HOME") if name not in environment for word in ("-u", name)]
    read_only = {"buildpacks", "certs"}
    script = _RUN.format(stderr=1 if merged else 3, out_of_memory=OUT_OF_MEMORY)
    return {
        "Image": place.image,
        "User": f"{UID}:{UID}",
        "WorkingDir": wanted.directory,
        "Entrypoint": [*INIT, "/bin/sh", "-c", script, "sh", "env", *unset, "--"],
        "Cmd": list(wanted.argv),
        "Env": [f"{name}={value}" for name, value in environment.items()],
        "Labels": place.labels,
        **_STREAMS,
        "HostConfig": {
            **_confined(place.limits.memory_bytes, place.limits.pids),
            "SecurityOpt": ["no-new-privileges", f"seccomp={docker_profile()}"],
            "NanoCpus": round(place.limits.cpu_cores * _CPU_UNIT),
            "ShmSize": min(SHM_BYTES, place.limits.memory_bytes),
            "OomScoreAdj": _OOM_SCORE,
            "NetworkMode": f"container:{place.guard}" if wanted.network else "none",
            "Mounts": [
                _mount(place.cache, "/cache"),
                *(_mount(place.volume(name), target, read_only=name in read_only) for name, target in _targets(place).items()),
            ],
        },
    }


def network() -> Json:
    """Return the arguments for the network of all guards. They cannot reach each other."""
    return {
        "name": NETWORK,
        "driver": "bridge",
        "check_duplicate": True,
        "options": {"com.docker.network.bridge.enable_icc": "false"},
        "labels": {NETWORK: "yes"},
    }


def look(image: str, argv: Sequence[str], network_mode: str) -> Json:
    """Return a container that prints something about the daemon's machine."""
    return {
        "Image": image,
        "User": f"{UID}:{UID}",
        "Entrypoint": [*INIT, *argv],
        "Labels": {LOOK: "yes"},
        "HostConfig": {**_confined(_GUARD_BYTES, _GUARD_PIDS), "NetworkMode": network_mode},
        **_STREAMS,
    }


_STREAMS: Mapping[str, bool] = {"AttachStdin": True, "AttachStdout": True, "AttachStderr": True, "OpenStdin": True, "StdinOnce": True}


def _targets(place: Place) -> dict[str, str]:
    targets = {name: f"/{name}" for name in (*FOLDERS, "buildpacks")}
    return {**targets, "certs": CERTIFICATES} if place.certificates else targets


def _mount(volume: str, target: str, labels: Mapping[str, str] | None = None, *, read_only: bool = False) -> Json:
    """Return a volume's mount. The first mount, with `labels`, creates the volume with the owners in the image."""
    options: Json = {"NoCopy": True} if labels is None else {"Labels": dict(labels)}
    return {"Type": "volume", "Source": volume, "Target": target, "ReadOnly": read_only, "VolumeOptions": options}


def _confined(memory_bytes: int, pids: int) -> Json:
    return {
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "ReadonlyRootfs": True,
        "Memory": memory_bytes,
        "MemorySwap": memory_bytes,
        "PidsLimit": pids,
        # the panel reads the output, and Docker keeps no copy
        "LogConfig": {"Type": "none"},
    }
