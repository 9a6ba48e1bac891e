"""One dyno and its supervision until it is stopped."""

import asyncio
import math
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from skypanel.domain.dyno_errors import MEMORY_EXCEEDED, exit_timeout
from skypanel.domain.manifest import WEB, DynoState, Exit
from skypanel.host.cancellation import cancel_and_wait
from skypanel.host.commands import CommandFailed
from skypanel.host.environment import at_terminal, boot, dyno_environment
from skypanel.host.listening import PortSnapshot
from skypanel.host.overrun import Overrun, sentence
from skypanel.host.protocol import StartDyno
from skypanel.host.usage import Counters, network_bytes
from skypanel.launcher import logs, processes
from skypanel.launcher.bounds import Bounds, over_now, watch
from skypanel.launcher.disks import Disk
from skypanel.launcher.logs import Output
from skypanel.launcher.looking import look
from skypanel.launcher.machine import SandboxHost
from skypanel.launcher.running import RunningSandbox, Streams
from skypanel.launcher.sandbox import Bind, Spec

FIRST_PORT = 20_000
STEADY_S = 60.0
MAX_DELAY_S = 60.0
NOT_STARTED = 126
_SIGNAL_INTERVAL_S = 0.2


def restart_delay_s(failures: int) -> float:
    """Return how long to wait after `failures` failures in a row: 1, 2, 4 ... 60 s."""
    return float(min(2 ** min(failures - 1, 10), MAX_DELAY_S))


@dataclass(eq=False)
class Dyno:
    """A dyno and its supervision."""

    machine: SandboxHost
    request: StartDyno
    slot: int
    log: Output
    endpoint: str | None = None
    state: DynoState = DynoState.STARTING
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    restarts: int = 0
    reason: str | None = None
    # only a one-off dyno has an exit
    exit: Exit | None = None
    once: bool = False
    streams: Streams | None = None
    terminal: bool = False
    _sandbox: RunningSandbox | None = None
    _resources: tuple[Bounds, Disk] | None = None
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    # set when the running process must end, for a stop or a restart; it may still linger first
    _ending: asyncio.Event = field(default_factory=asyncio.Event)
    _linger_s: float = math.inf
    _deadline: float = math.inf
    _grace_s: float = 0.0

    @property
    def port(self) -> int:
        """The value of $PORT. Each dyno has another one, so an app that ignores $PORT fails its health check."""
        return FIRST_PORT + self.slot

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def pids(self, parents: Mapping[int, int]) -> list[int]:
        """Return its processes as the host sees them. `parents` maps each pid to its parent."""
        return sorted(processes.descendants(parents, self._sandbox.init_pid)) if self._sandbox else []

    def probe(self) -> Callable[[], Counters] | None:
        """Return what reads its counters, for any thread; None while it does not run. The call raises OSError once it has ended."""
        if self._sandbox is None or self._resources is None:
            return None
        (bounds, disk), init, restarts = self._resources, self._sandbox.init_pid, self.restarts
        return lambda: Counters(*bounds.used(), *network_bytes(init), disk.used_bytes(), restarts)

    async def look(self) -> PortSnapshot:
        """Return where it listens and how much CPU time it has used. Raises OSError."""
        return await look(self._sandbox, self.port) if self._sandbox else PortSnapshot(self.port)

    def stop(self, grace_s: float, linger_s: float = 0.0) -> None:
        """Stop it: wait `linger_s`, send SIGTERM, and SIGKILL after `grace_s`. Of several calls, the earliest deadline counts."""
        self._set_deadline(linger_s, grace_s)
        self._linger_s = min(self._linger_s, linger_s)
        self._set_state(DynoState.STOPPING)
        self._stop.set()
        self._ending.set()

    def renew(self, grace_s: float) -> None:
        """Stop its processes as `stop` does, without lingering, and start it again. A dyno in backoff starts at once."""
        self._set_deadline(0.0, grace_s)
        self._linger_s = 0.0
        self._set_state(DynoState.STARTING)
        self._ending.set()

    def signal(self, number: int) -> None:
        """Send a signal to all its processes, as a terminal does."""
        if self._sandbox is not None:
            for pid in self.pids(processes.parents()):
                processes.send(pid, self._sandbox.init_pid, number)

    async def supervise(self) -> None:
        """Run it and restart it until it is stopped."""
        try:
            await self._restart_until_stopped()
        finally:
            with suppress(CommandFailed):
                await self.machine.network.unpublish(self.slot)

    async def _restart_until_stopped(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while not self.stopping:
            self._set_state(DynoState.STARTING)
            began = loop.time()
            self.reason = await self._run_once()
            self.log.system(f"Process {self.reason}")
            self.log.end_try()
            if self.once:
                return
            if self._take_restart_request():
                failures = 0
                continue
            if self.stopping:
                return
            failures = 1 if loop.time() - began >= STEADY_S else failures + 1
            self._set_state(DynoState.CRASHED)
            delay = restart_delay_s(failures)
            self.log.system(f"Next start in {delay:.0f} s")
            if await _is_set_within(self._ending, delay):
                self._take_restart_request()
            self.restarts += 1

    def _take_restart_request(self) -> bool:
        """Whether it ended for a restart. If so, clears the request and its deadlines."""
        if self.stopping or not self._ending.is_set():
            return False
        self._ending.clear()
        self._linger_s = self._deadline = math.inf
        return True

    def _set_deadline(self, linger_s: float, grace_s: float) -> None:
        deadline = asyncio.get_running_loop().time() + linger_s + grace_s
        if deadline < self._deadline:
            self._deadline, self._grace_s = deadline, grace_s

    def _set_state(self, state: DynoState) -> None:
        if self.stopping:
            return
        if state not in {self.state, DynoState.STOPPING}:
            self.log.system(f"State changed from {self.state} to {state}")
        self.state, self.since = state, datetime.now(UTC)

    async def _run_once(self) -> str:
        """Run it once until it ends, and return how it ended."""
        name, request = self.machine.new_name(), self.request
        try:
            if self.request.key.process_type == WEB and self.endpoint is None:
                self.endpoint = await self.machine.network.publish(self.slot, self.port)
            async with (
                self.machine.disk(name, request.limits.disk_bytes, request.tenant) as disk,
                self.machine.overlay(disk, request.tenant, request.digest) as app,
                self.machine.bounds(name, request.limits) as bounds,
            ):
                temporary = self.machine.own_folder(disk, "tmp", request.tenant)
                binds = (Bind(app, "/app"), Bind(temporary, "/tmp"))  # noqa: S108 - the sandbox's own
                return await self._run_sandbox(self._spec(binds), bounds, disk)
        except (CommandFailed, OSError) as error:
            self.exit = Exit(NOT_STARTED, f"it did not start: {error}")
            return f"did not start: {error}"

    async def _run_sandbox(self, spec: Spec, bounds: Bounds, disk: Disk) -> str:
        async with self._output() as streams, self.machine.run(spec, streams, bounds, self.slot) as sandbox:
            self.log.system(f"Starting process with command `{self.request.command}`")
            self._sandbox, self._resources = sandbox, (bounds, disk)
            self._set_state(DynoState.UP)
            try:
                return await self._finish(sandbox, bounds, disk)
            finally:
                self._sandbox = self._resources = None

    async def _finish(self, sandbox: RunningSandbox, bounds: Bounds, disk: Disk) -> str:
        """Return how the command ended: by itself, by a stop, or by an exceeded limit."""
        # a full loop device only fails the dyno's own writes; a folder has no hard limit, so its size is polled
        disks = [] if self.machine.loop_devices else [disk]
        ended = asyncio.create_task(sandbox.wait())
        watching = asyncio.create_task(watch(bounds, disks, self._time_limit()))
        stopping = asyncio.create_task(self._stop_gracefully(sandbox))
        try:
            await asyncio.wait({ended, watching}, return_when=asyncio.FIRST_COMPLETED)
            overrun = watching.result() if watching.done() else None
            sandbox.kill()
            code = await ended
            overrun = overrun or await over_now(bounds, disks)
            if overrun is Overrun.MEMORY:
                self.log.system(MEMORY_EXCEEDED)
            self.exit = Exit(code, None if overrun is None else sentence(overrun, self.request.limits))
            return f"exited with status {code}" if overrun is None else f"was stopped: {sentence(overrun, self.request.limits)}"
        finally:
            await cancel_and_wait(watching, stopping, ended)

    async def _stop_gracefully(self, sandbox: RunningSandbox) -> None:
        """After a stop or restart request, send SIGTERM to each process, and SIGKILL to the rest after the grace period."""
        await self._ending.wait()
        await asyncio.sleep(self._linger_s)
        self.log.system("Stopping all processes with SIGTERM")
        loop = asyncio.get_running_loop()
        deadline = self._deadline
        signalled: set[int] = set()
        while (left := self._deadline - loop.time()) > 0:
            for pid in processes.stoppable(sandbox.init_pid) - signalled:
                signalled.add(pid)
                processes.terminate(pid, sandbox.init_pid)
            await asyncio.sleep(min(_SIGNAL_INTERVAL_S, left))
        # A later call may have shortened the time: then the app is not to blame.
        if self._grace_s and deadline == self._deadline:
            self.log.system(exit_timeout(self._grace_s))
        self.log.system("Stopping remaining processes with SIGKILL")
        sandbox.kill()

    def _time_limit(self) -> float | None:
        timeout_s = self.request.limits.timeout_s
        return None if timeout_s is None else asyncio.get_running_loop().time() + timeout_s

    @asynccontextmanager
    async def _output(self) -> AsyncIterator[Streams]:
        """Yield the streams of the attached client, or a pipe whose output goes to the log."""
        if self.streams is not None:
            yield self.streams
            return
        source, sink = os.pipe()
        null = os.open(os.devnull, os.O_RDONLY)
        os.set_blocking(source, False)
        copying = asyncio.create_task(logs.copy(source, self.log))
        try:
            yield Streams(null, sink, sink)
        finally:
            os.close(sink)
            os.close(null)
            await copying
            os.close(source)

    def _spec(self, binds: tuple[Bind, ...]) -> Spec:
        request = self.request
        return Spec(
            app_id=request.tenant.app_id,
            uid=self.machine.uid(request.tenant),
            argv=at_terminal(boot(request.command)) if self.terminal else boot(request.command),
            environment=dyno_environment(request.environment, request.key.name, self.port),
            directory="/app",
            binds=binds,
            network=True,
            resolvers=self.machine.resolvers,
            max_processes=self.machine.max_processes(request.limits),
            terminal=self.terminal,
        )


async def _is_set_within(event: asyncio.Event, within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
