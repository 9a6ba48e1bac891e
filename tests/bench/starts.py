"""How long `skypanel up` takes until all parts answer, and until all apps do."""

from time import perf_counter, sleep

from tests.bench.figures import Figure, single
from tests.bench.stage import Stage
from tests.journeys.harness import PanelUnderTest, new_panel

TIMES = 3
APPS = tuple(f"up-{number}" for number in range(10))
POLL_S = 0.05


def up(_stage: Stage) -> list[Figure]:
    """Start panels in fresh homes, and each of them once more."""
    cold, warm = [], []
    for _ in range(TIMES):
        with new_panel() as panel:
            for times in (cold, warm):
                times.append(_started(panel))
                panel.down()
    return [single("up.cold", cold), single("up.warm", warm)]


def apps(_stage: Stage) -> list[Figure]:
    """Start a panel of ten apps, again and again."""
    times = []
    with new_panel() as panel:
        panel.up()
        repository = panel.repository("python-plain")
        for app in APPS:
            repository.push(app)
        for _ in range(TIMES):
            panel.down()
            began = perf_counter()
            panel.start()
            for app in APPS:
                while not panel.answers(app):
                    sleep(POLL_S)
            times.append(perf_counter() - began)
    return [single("up.apps", times)]


def _started(panel: PanelUnderTest) -> float:
    began = perf_counter()
    panel.up()
    return perf_counter() - began
