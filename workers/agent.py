"""What runs on every node: tells the panel how the node is, and stages slugs there.

It is copied to nodes as a folder, with the few modules that it shares with the panel (`flow/agent_bundle.py`), and needs
nothing but their own Python (3.9 or newer), Docker's socket and zstd.

    agent run CONFIG      tell and stage until it is stopped
    agent start CONFIG    the same in the background, started again whenever it ends, for machines without systemd
    agent stop            stop what `start` started
    agent join            join the Swarm by what standard input says (JSON: address, token), and print the member's id
    agent leave           leave the Swarm
"""

import fcntl
import hashlib
import http.client
import json
import logging
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Callable, Dict, Iterator, List, Optional, Tuple
from urllib.parse import quote, urlencode

from skypanel.drivers.layers import BadSlug, image, write_layer

HEARTBEAT_S = 10.0
POLL_S = 60.0
RETRY_S = (1.0, 2.0, 5.0, 10.0)
ANSWER_S = 30.0
STAGE_S = 600.0
CHUNK_BYTES = 1024 * 1024
DOCKER_SOCKET = "/var/run/docker.sock"
API = "/v1.41"
STATE = Path("/var/lib/skypanel-agent")
LOCK = Path("/run/skypanel-agent.lock")
LOG = Path("/var/log/skypanel-agent.log")
RESTART_S = 2.0
MAX_LOG_BYTES = 10 * 1024 * 1024
OK = 200
BAD = 300

# The labels of a dyno's container: the panel's, and Docker's own, `<service>.<slot>.<id>`.
APP = "skypanel.app"
PROCESS_TYPE = "skypanel.process-type"
TASK = "com.docker.swarm.task.name"

# An image's id is the same on every node; its name here says of which slug it is, and on which stack.
REPOSITORY = "skypanel-slug-"
# Images that stay though the panel wants them no longer, so that going back a release is quick.
SPARE = 10

log = logging.getLogger("agent")


class Refused(Exception):
    """The panel or Docker does not do what it was asked."""


class DockerConnection(http.client.HTTPConnection):
    """HTTP over Docker's socket."""

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(DOCKER_SOCKET)


class PanelConnection(http.client.HTTPSConnection):
    """HTTPS to the panel's address, under the name that its certificate has."""

    def __init__(self, address: str, port: int, name: str, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(address, port, timeout=timeout, context=context)
        self._name = name
        self._tls = context

    def connect(self) -> None:
        """Open the connection; another's certificate ends it."""
        plain = socket.create_connection((self.host, self.port), self.timeout)
        try:
            self.sock = self._tls.wrap_socket(plain, server_hostname=self._name)
        except BaseException:
            plain.close()
            raise


def docker(method: str, path: str, body: Any = None, timeout: float = ANSWER_S) -> Any:  # noqa: ANN401 - whatever JSON can say
    """Ask Docker for something; a body is sent as JSON, or as it comes where it is something else."""
    connection = DockerConnection("localhost", timeout=timeout)
    try:
        if body is None or isinstance(body, dict):
            connection.request(method, API + path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
        else:
            headers = {"Content-Type": "application/x-tar", "Transfer-Encoding": "chunked"}
            connection.request(method, API + path, body, headers, encode_chunked=True)
        response = connection.getresponse()
        said = response.read()
        if response.status >= BAD:
            raise Refused(f"Docker: {_message(said)}")
        return [json.loads(line) for line in said.splitlines()] if path.startswith("/images/load") else json.loads(said or b"null")
    finally:
        connection.close()


def _message(said: bytes) -> str:
    try:
        return str(json.loads(said)["message"])
    except (ValueError, KeyError, TypeError):
        return said.decode(errors="replace")[:200]


class Panel:
    """The panel, as its config says: address, port, name, ca (PEM), token."""

    def __init__(self, config: Dict[str, Any]) -> None:
        self._address: str = config["address"]
        self._port: int = config["port"]
        self._name: str = config["name"]
        self._token: str = config["token"]
        self._context = ssl.create_default_context(cadata=config["ca"])

    def tell(self, report: Dict[str, Any]) -> None:
        """Send a heartbeat."""
        connection, response = self._ask("POST", "/heartbeat", json.dumps(report).encode())
        connection.close()
        if response.status != OK:
            raise Refused(f"the panel answered {response.status} to a heartbeat")

    def wanted(self, known: str) -> Tuple[List[str], str]:
        """Return the digests of the slugs to have, and a mark for the list; waits while that is `known`."""
        connection, response = self._ask("GET", "/slugs?" + urlencode({"known": known}), timeout=POLL_S)
        try:
            if response.status != OK:
                raise Refused(f"the panel answered {response.status} to what to stage")
            said = json.loads(response.read(4 * CHUNK_BYTES))
            return [str(digest) for digest in said["slugs"]], str(said["mark"])
        finally:
            connection.close()

    def fetch(self, digest: str, target: IO[bytes]) -> None:
        """Write a slug into a file, if it is the one that its digest names."""
        connection, response = self._ask("GET", "/slugs/" + quote(digest, safe=""), timeout=STAGE_S)
        try:
            if response.status != OK:
                raise Refused(f"the panel answered {response.status} to a slug")
            found = hashlib.sha256()
            while chunk := response.read(CHUNK_BYTES):
                found.update(chunk)
                target.write(chunk)
        finally:
            connection.close()
        if found.hexdigest() != digest:
            raise Refused("what the panel sent is not the slug: its SHA-256 differs")
        target.flush()

    def _ask(
        self, method: str, path: str, body: Optional[bytes] = None, timeout: float = ANSWER_S
    ) -> Tuple[PanelConnection, http.client.HTTPResponse]:
        connection = PanelConnection(self._address, self._port, self._name, self._context, timeout)
        headers = {"Host": self._name, "Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, "/nodes/agent" + path, body, headers)
            return connection, connection.getresponse()
        except BaseException:
            connection.close()
            raise


class Machine:
    """How busy the node is; what is counted since the last look gives a rate."""

    def __init__(self) -> None:
        self._ticks = _ticks()
        self._dynos: Dict[str, Tuple[float, float]] = {}

    def report(self) -> Dict[str, Any]:
        """Return a report as the panel reads it."""
        busy, total = _ticks()
        before, self._ticks = self._ticks, (busy, total)
        memory = _memory()
        disk = shutil.disk_usage("/var/lib/docker" if os.path.isdir("/var/lib/docker") else "/")
        cores = float(os.cpu_count() or 1)
        passed = total - before[1]
        containers = docker("GET", "/containers/json") or []
        return {
            "cpu_cores": cores,
            "cpu_used": cores * (busy - before[0]) / passed if passed > 0 else 0.0,
            "memory_bytes": memory["MemTotal"],
            "memory_used_bytes": memory["MemTotal"] - memory["MemAvailable"],
            "disk_bytes": disk.total,
            "disk_used_bytes": disk.used,
            "containers": len(containers),
            "dynos": [use for container in containers for use in self._use(container)],
        }

    def _use(self, container: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
        labels = container.get("Labels") or {}
        task = labels.get(TASK, "").split(".")
        if APP not in labels or PROCESS_TYPE not in labels or len(task) < 2:  # noqa: PLR2004 - a service and a slot
            return
        try:
            stats = docker("GET", f"/containers/{container['Id']}/stats?stream=false&one-shot=true") or {}
        except Refused:
            return  # it has ended meanwhile
        used_s = stats.get("cpu_stats", {}).get("cpu_usage", {}).get("total_usage", 0) / 1e9
        now = time.monotonic()
        before = self._dynos.get(container["Id"], (used_s, now))
        self._dynos[container["Id"]] = (used_s, now)
        memory = stats.get("memory_stats", {})
        cache = memory.get("stats", {})
        held = memory.get("usage", 0) - cache.get("inactive_file", cache.get("total_inactive_file", 0))
        yield {
            "app_id": labels[APP],
            "name": f"{labels[PROCESS_TYPE]}.{task[1]}",
            "cpu_cores": max(0.0, used_s - before[0]) / (now - before[1]) if now > before[1] else 0.0,
            "memory_bytes": max(0, held),
        }


def _ticks() -> Tuple[int, int]:
    """Return how much processor time was used and how much there was, in ticks (proc_stat(5))."""
    with open("/proc/stat") as file:
        fields = [int(field) for field in file.readline().split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def _memory() -> Dict[str, int]:
    """Return /proc/meminfo in bytes."""
    with open("/proc/meminfo") as file:
        return {name: int(value.split()[0]) * 1024 for name, _, value in (line.partition(":") for line in file)}


class Agent:
    """Two loops: one tells how the node is, the other stages what the panel wants."""

    def __init__(self, panel: Panel, base: str) -> None:
        self._panel = panel
        self._base = base
        self._failures: Dict[str, str] = {}
        self._changed = threading.Event()

    def run(self) -> None:
        """Run for good."""
        threading.Thread(target=self._stage_for_good, daemon=True).start()
        machine = Machine()
        failures = 0
        while True:
            self._changed.clear()
            try:
                self._panel.tell({**machine.report(), "staged": staged(self._base), "failures": dict(self._failures)})
                failures = 0
            except (OSError, http.client.HTTPException, Refused, ValueError) as error:
                failures += 1
                if failures in {1, 10, 100} or failures % 1000 == 0:
                    log.warning("no heartbeat: %s", error)
            self._changed.wait(HEARTBEAT_S)

    def _stage_for_good(self) -> None:
        known, failures = "", 0
        while True:
            try:
                wanted, mark = self._panel.wanted(known)
                known = mark if self._stage(wanted) else ""
                failures = 0 if known else failures + 1
            except (OSError, http.client.HTTPException, Refused, ValueError, KeyError) as error:
                failures += 1
                if failures == 1:
                    log.warning("the panel does not say what to stage: %s", error)
            if not known:
                time.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])

    def _stage(self, wanted: List[str]) -> bool:
        """Stage what is missing, telling of each as soon as it is there; False if something could not be."""
        there = set(staged(self._base))
        for digest in wanted:
            if digest in there:
                continue
            try:
                stage(self._panel, digest, self._base)
                self._failures.pop(digest, None)
                log.info("%s is staged", digest)
            except (OSError, http.client.HTTPException, Refused, BadSlug) as error:
                self._failures[digest] = str(error)
                log.warning("%s cannot be staged: %s", digest, error)
            self._changed.set()
        self._failures = {digest: why for digest, why in self._failures.items() if digest in wanted}
        forget(self._base, wanted)
        return not self._failures


def repository(stack: Dict[str, Any]) -> str:
    """Return how images on this stack are called; another stack makes other images."""
    return REPOSITORY + str(stack["Id"]).rpartition(":")[2][:12]


def staged(base: str) -> List[str]:
    """Return the digests of the slugs that have an image here, on the stack as it is now; none without it."""
    try:
        own = repository(docker("GET", f"/images/{quote(base)}/json"))
    except Refused:
        return []
    return sorted(digest for name, _, digest in (tag.partition(":") for tag in _tags()) if name == own)


def forget(base: str, wanted: List[str]) -> None:
    """Remove images of slugs that are not wanted, but for the newest and those that run."""
    own = repository(docker("GET", f"/images/{quote(base)}/json"))
    unwanted = [tag for tag in _tags() if tag not in {f"{own}:{digest}" for digest in wanted}]
    ages = {tag: docker("GET", f"/images/{quote(tag)}/json")["Metadata"]["LastTagTime"] for tag in unwanted[SPARE:] and unwanted}
    for tag in sorted(ages, key=lambda tag: str(ages[tag]), reverse=True)[SPARE:]:
        try:
            docker("DELETE", f"/images/{quote(tag)}")
        except Refused:
            continue  # a dyno of it runs


def _tags() -> List[str]:
    found = docker("GET", "/images/json") or []
    return [tag for known in found for tag in known.get("RepoTags") or () if tag.startswith(REPOSITORY)]


def stage(panel: Panel, digest: str, base: str) -> None:
    """Make a slug an image: the stack's, and a layer with the slug at /app. Nothing that is half-done gets the name."""
    STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
    with TemporaryFile(dir=STATE) as slug, TemporaryFile(dir=STATE) as layer:
        panel.fetch(digest, slug)
        slug.seek(0)
        stack = docker("GET", f"/images/{quote(base)}/json")
        with subprocess.Popen(["zstd", "-dcq"], stdin=slug, stdout=subprocess.PIPE) as unpacked:
            made = image(stack, write_layer(_readable(unpacked), layer), f"{repository(stack)}:{digest}")
        if unpacked.returncode:
            raise Refused("the slug cannot be unpacked")
        size_bytes = layer.tell()
        layer.seek(0)
        said = docker("POST", "/images/load?quiet=true", made.archive(layer, size_bytes), STAGE_S)
        errors = [str(line["error"]) for line in said if "error" in line]
        if errors:
            raise Refused(f"Docker: {errors[0]}")
        docker("GET", f"/images/{quote(made.id)}/json")


def _readable(process: "subprocess.Popen[bytes]") -> IO[bytes]:
    if process.stdout is None:
        raise Refused("zstd has no output")
    return process.stdout


def join() -> None:
    """Join the Swarm, to get no tasks yet, and print the member's id."""
    said = json.load(sys.stdin)
    host = said["address"].rpartition(":")[0].strip("[]")
    body = {
        "ListenAddr": "0.0.0.0:2377",
        "AdvertiseAddr": _own_address(host),
        "RemoteAddrs": [said["address"]],
        "JoinToken": said["token"],
        "Availability": "drain",
    }
    docker("POST", "/swarm/join", body, 60.0)
    sys.stdout.write("member=" + docker("GET", "/info")["Swarm"]["NodeID"] + "\n")


def _own_address(peer: str) -> str:
    """Return the address from which this machine reaches a peer; nothing is sent."""
    with socket.socket(socket.AF_INET6 if ":" in peer else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((peer, 9))
        return str(probe.getsockname()[0])


def leave() -> None:
    """Leave the Swarm, if this machine is in one."""
    if docker("GET", "/info")["Swarm"]["LocalNodeState"] != "inactive":
        docker("POST", "/swarm/leave?force=true", timeout=60.0)


def run(config: str) -> None:
    """Run the agent here."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    said = json.loads(Path(config).read_text())
    Agent(Panel(said), said["base"]).run()


def start(config: str) -> None:
    """Have a supervisor run the agent, apart from whoever calls; one that runs is replaced."""
    stop()
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    with open(os.devnull, "r+b") as null:
        os.dup2(null.fileno(), 0)
    lock = _lock()
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    _supervise([sys.executable, os.path.abspath(sys.argv[0]), "run", config])


def _supervise(argv: List[str]) -> None:
    child: Optional[subprocess.Popen] = None  # type: ignore[type-arg] # Python 3.9 evaluates it

    def end(*_: object) -> None:
        if child is not None:
            child.kill()
        os._exit(0)

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, end)
    while True:
        if LOG.exists() and LOG.stat().st_size > MAX_LOG_BYTES:
            LOG.replace(LOG.with_suffix(".log.1"))
        with LOG.open("ab") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            child = subprocess.Popen(argv)
        child.wait()
        time.sleep(RESTART_S)


def stop() -> None:
    """Stop the supervisor and its agent; none is no error."""
    lock = _lock()
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = os.pread(lock, 20, 0).strip()
                if pid.isdigit():
                    os.kill(int(pid), signal.SIGTERM)
                time.sleep(0.1)
            else:
                return
    finally:
        os.close(lock)


def _lock() -> int:
    return os.open(str(LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


ACTIONS: Dict[str, Callable[..., None]] = {"run": run, "start": start, "stop": stop, "join": join, "leave": leave}


def main(argv: List[str]) -> None:
    """Do what the first word says."""
    try:
        ACTIONS[argv[0]](*argv[1:])
    except (Refused, OSError, ValueError, KeyError) as error:
        sys.exit(f"{type(error).__name__}: {error}" if not isinstance(error, Refused) else str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
