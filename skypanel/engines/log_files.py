"""The logs of apps as files, for those who write them without the rest of a panel."""

from pathlib import Path

from skypanel.drivers.clock import SystemClock
from skypanel.drivers.logs.files import FileLogs
from skypanel.ports.logs import Logs


def open_logs(folder: Path) -> Logs:
    """Open the logs that are in a folder."""
    return FileLogs(folder, SystemClock())
