"""Orders test files, assigns them to workers, and reports slow ones.

Unit tests come first, because they fail soonest. The longest files come next, so that none of them starts last.
"""

import gc
import os
from collections import Counter

import pytest
from xdist.scheduler import LoadFileScheduling

# Long files, the longest row first. Files in a row share a daemon, Swarm or panel, which each worker starts once.
ROWS = (
    ("journeys/test_swarm_panel.py",),
    (
        "integration/test_swarm_scheduler.py",
        "integration/test_swarm_guard.py",
        "integration/test_swarm_router.py",
        "integration/test_swarm_health.py",
    ),
    (
        "journeys/test_panel.py",
        "journeys/test_push.py",
        "journeys/test_push_http.py",
        "journeys/test_faults.py",
        "journeys/test_run.py",
        "journeys/test_organizations.py",
        "journeys/test_nodes.py",
    ),
    (
        "journeys/test_builds.py",
        "journeys/test_build_limits.py",
        "journeys/test_secrets.py",
        "journeys/test_remote.py",
        "journeys/test_dashboard.py",
        "journeys/test_api_builds.py",
        "journeys/test_heroku_versions.py",
        "journeys/test_domains.py",
    ),
    (
        "integration/test_container_builder.py",
        "integration/test_container_limits.py",
        "integration/test_stack.py",
        "integration/test_docker_logs.py",
        "integration/test_swarm_upkeep.py",
        "integration/test_agent_docker.py",
    ),
    ("journeys/test_heroku.py",),
    ("integration/test_nodes_docker.py",),
    ("integration/test_swarm_faults.py",),
    ("journeys/test_docs.py",),
    ("integration/test_buildpacks_python.py",),
    ("integration/test_launcher_dynos.py",),
    ("integration/test_launcher_faults.py",),
    ("integration/test_buildpacks_nodejs.py",),
    ("integration/test_up.py",),
    ("integration/test_compile.py",),
    ("integration/test_workers_elsewhere.py",),
    ("journeys/test_storage.py",),
    ("journeys/test_heroku_relay.py",),
    ("journeys/test_billing.py",),
)
PLACES = {name: (row, place) for row, names in enumerate(ROWS) for place, name in enumerate(names)}
LAST = (len(ROWS), 0)
SHOWN_FILES = 20
# A unit test that needs more CPU time starts programs, or generates more examples than necessary.
UNIT_CPU_S = 1.0
CPU = "cpu_s"


def file_of(nodeid: str) -> str:
    """Return a test's file with its folder, as ROWS name it."""
    return "/".join(nodeid.partition("::")[0].rsplit("/", 2)[-2:])


def rank(nodeid: str) -> tuple[bool, int, int]:
    """Return the sort key of a test's file. Equal files keep their order."""
    name = file_of(nodeid)
    return not name.startswith("unit/"), *PLACES.get(name, LAST)


class Scheduling(LoadFileScheduling):
    """Gives all files of a row to one worker, in the order of `rank`."""

    def __init__(self, config: pytest.Config, log) -> None:
        super().__init__(config, log)
        # The default sorts by number of tests, and would let the longest files, which have few, start last.
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        name = file_of(nodeid)
        return f"row {PLACES[name][0]}" if name in PLACES else name


def pytest_xdist_make_scheduler(config: pytest.Config, log) -> Scheduling | None:
    return Scheduling(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Collect without garbage collection: modules and tests are no garbage, and later collections pass over them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: rank(item.nodeid))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item):
    """Add a test's CPU time to its report, including programs that it waited for."""
    before = sum(os.times()[:4])
    try:
        return (yield)
    finally:
        item.user_properties.append((CPU, sum(os.times()[:4]) - before))


class Watch:
    """Sums up the reports of all workers for the summary."""

    def __init__(self) -> None:
        self._seconds: Counter[str] = Counter()
        self._costly: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[file_of(report.nodeid)] += report.duration
        cpu_s = dict(report.user_properties).get(CPU, 0.0)
        if report.nodeid.startswith("tests/unit/") and cpu_s > UNIT_CPU_S:
            self._costly[report.nodeid] = cpu_s

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if len(self._seconds) > 1:
            terminalreporter.section(f"slowest {SHOWN_FILES} files")
            for name, seconds in self._seconds.most_common(SHOWN_FILES):
                terminalreporter.line(f"{seconds:.0f}s {name}")
        if self._costly:
            terminalreporter.section(f"unit tests that take over {UNIT_CPU_S:.0f} s of a processor: they belong to tests/integration")
            for name, seconds in self._costly.items():
                terminalreporter.line(f"{seconds:.1f}s {name}")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Watch())
