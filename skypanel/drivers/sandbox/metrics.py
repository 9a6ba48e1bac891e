"""What the launcher's dynos use."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from uuid import UUID

from skypanel.domain.ids import AppId
from skypanel.domain.report import DynoUse
from skypanel.drivers.sandbox.launcher import Launcher
from skypanel.host.usage import Counters, Meter, Use


class LauncherMetrics:
    """Asks the launcher, which reads the counters of all control groups at once."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self._meter = Meter()

    async def measure(self) -> Sequence[DynoUse]:
        """Return what the dynos use, as averages since the last call."""
        answer = await self._launcher.ask({"do": "measure"})
        found = {f"{each.pop('app_id')} {each.pop('name')}": Counters(**each) for each in answer["dynos"]}
        measured = self._meter.measure(time.monotonic(), found)
        return [_use(dyno, use) for dyno, use in measured.items()]


def _use(dyno: str, use: Use) -> DynoUse:
    app_id, _, name = dyno.partition(" ")
    return DynoUse(AppId(UUID(app_id)), name, **asdict(use))
