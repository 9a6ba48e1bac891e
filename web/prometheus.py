"""The panel's state in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

import asyncio
from collections.abc import Iterable, Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from skypanel.domain.monitoring import Monitored, MonitoredApp, ProcessUse, QueueState
from skypanel.domain.node import Node, NodeState
from skypanel.flow import monitoring
from web.keys import PANEL

SCHEME = "Bearer "


async def show(request: web.Request) -> web.Response:
    """Return the panel's state to a monitoring system, which has the token of the settings."""
    header = request.headers.get("Authorization", "")
    found = await monitoring.read(request.app[PANEL], header.removeprefix(SCHEME) if header.startswith(SCHEME) else "")
    # Ten thousand apps take half a second.
    text = await asyncio.to_thread(written, found)
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4, "Cache-Control": "no-store"})


def written(state: Monitored) -> bytes:
    """Return the panel's state as text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_State(state))
    return generate_latest(registry)


class _State(Collector):
    """Gives the registry the families of one state."""

    def __init__(self, state: Monitored) -> None:
        self._state = state

    def collect(self) -> Iterable[Metric]:
        """Yield all families."""
        state = self._state
        yield from _totals(state)
        yield from _queues(state.queues)
        yield from _nodes(state.nodes)
        yield from _apps(state.apps)
        yield from _processes(state.processes)


def _totals(state: Monitored) -> Iterable[Metric]:
    figures = state.figures
    yield GaugeMetricFamily("skypanel_apps", "Apps of the panel.", value=figures.apps)
    yield GaugeMetricFamily("skypanel_organizations", "Organizations of the panel.", value=figures.organizations)
    yield GaugeMetricFamily("skypanel_organizations_suspended", "Organizations whose apps may not run.", value=figures.suspended)
    yield GaugeMetricFamily("skypanel_accounts", "Accounts of the panel.", value=figures.accounts)


def _queues(queues: Sequence[QueueState]) -> Iterable[Metric]:
    jobs = GaugeMetricFamily("skypanel_queue_jobs", "Builds and rollouts that run or wait.", labels=("queue", "state"))
    oldest = GaugeMetricFamily("skypanel_queue_oldest_seconds", "How long the oldest job that waits has waited.", labels=("queue",))
    for queue in queues:
        jobs.add_metric((queue.kind, "running"), queue.running)
        jobs.add_metric((queue.kind, "waiting"), queue.waiting)
        oldest.add_metric((queue.kind,), queue.oldest_s)
    return jobs, oldest


def _nodes(nodes: Sequence[Node]) -> Iterable[Metric]:
    states = GaugeMetricFamily("skypanel_node_state", "1 for the state of a node, 0 for the others.", labels=("node", "state"))
    for node in nodes:
        for state in NodeState:
            states.add_metric((node.name, state), node.state is state)
    yield states
    reports = [((node.name,), node.report) for node in nodes if node.report]
    yield _family("skypanel_node_cpu_cores", "CPU cores of a node.", ("node",), ((key, each.cpu_cores) for key, each in reports))
    yield _family("skypanel_node_cpu_used_cores", "CPU cores in use.", ("node",), ((key, each.cpu_used) for key, each in reports))
    yield _family("skypanel_node_memory_bytes", "Memory of a node.", ("node",), ((key, each.memory_bytes) for key, each in reports))
    yield _family("skypanel_node_memory_used_bytes", "Memory in use.", ("node",), ((key, each.memory_used_bytes) for key, each in reports))
    yield _family("skypanel_node_disk_bytes", "Disk space of a node.", ("node",), ((key, each.disk_bytes) for key, each in reports))
    yield _family("skypanel_node_disk_used_bytes", "Disk space in use.", ("node",), ((key, each.disk_used_bytes) for key, each in reports))
    beats = [((node.name,), node.heartbeat_at.timestamp()) for node in nodes if node.heartbeat_at]
    yield _family("skypanel_node_heartbeat_timestamp_seconds", "When the agent of a node reported last.", ("node",), beats)


def _apps(apps: Sequence[MonitoredApp]) -> Iterable[Metric]:
    labels = ("app", "organization")
    found = [((app.name, app.organization), app) for app in apps]
    yield _family("skypanel_app_dynos_wanted", "Dynos that should run.", labels, ((key, app.wanted) for key, app in found))
    yield _family("skypanel_app_dynos_running", "Dynos measured in the last 30 s.", labels, ((key, app.running) for key, app in found))
    yield _family("skypanel_app_cpu_cores", "CPU cores that the dynos use.", labels, ((key, app.cpu_cores) for key, app in found))
    yield _family("skypanel_app_memory_bytes", "Memory that the dynos use.", labels, ((key, app.memory_bytes) for key, app in found))


def _processes(processes: Sequence[ProcessUse]) -> Iterable[Metric]:
    cpu = CounterMetricFamily("skypanel_process_cpu_seconds", "CPU time of a process of the panel.", labels=("process",))
    memory = GaugeMetricFamily("skypanel_process_memory_bytes", "Memory of a process of the panel.", labels=("process",))
    for process in processes:
        cpu.add_metric((process.name,), process.cpu_s)
        memory.add_metric((process.name,), process.memory_bytes)
    return cpu, memory


def _family(name: str, text: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values:
        family.add_metric(key, value)
    return family
