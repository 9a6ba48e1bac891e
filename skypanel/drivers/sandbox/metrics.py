"""What the launcher's dynos use."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from uuid import UUID

from skypanel.domain.ids import AppId
from skypanel.domain.report import DynoUse
from skypanel.drivers.sandbox.launcher import Launcher
from skypanel.host.usage import Counters, Meter


class LauncherMetrics:
    """Asks the launcher, which reads the counters of all control groups at once."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self._meter: Meter[tuple[str, str]] = Meter()

    async def measure(self) -> Sequence[DynoUse]:
        """Return what the dynos use, as averages since the last call."""
        answer = await self._launcher.ask({"do": "measure"})
        found = {(each.pop("app_id"), each.pop("name")): Counters(**each) for each in answer["dynos"]}
        measured = self._meter.measure(time.monotonic(), found)
        return [DynoUse(AppId(UUID(app_id)), name, **asdict(use)) for (app_id, name), use in measured.items()]
