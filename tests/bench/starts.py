"""How long `skypanel up` takes until all parts answer."""

from time import perf_counter

from tests.bench.figures import Figure, single
from tests.bench.stage import Stage
from tests.e2e.harness import PanelUnderTest, new_panel

TIMES = 3


def up(_stage: Stage) -> list[Figure]:
    """Start panels in fresh homes, and each of them once more."""
    cold, warm = [], []
    for _ in range(TIMES):
        with new_panel() as panel:
            for times in (cold, warm):
                times.append(_started(panel))
                panel.down()
    return [single("up.cold", cold), single("up.warm", warm)]


def _started(panel: PanelUnderTest) -> float:
    began = perf_counter()
    panel.up()
    return perf_counter() - began
