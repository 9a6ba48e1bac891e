"""The log files of apps, for programs that write them without a whole panel."""

from pathlib import Path

from skypanel.drivers.clock import SystemClock
from skypanel.drivers.logs.files import FileLogs
from skypanel.ports.logs import Logs


def open_logs(folder: Path) -> Logs:
    """Open the logs in a folder."""
    return FileLogs(folder, SystemClock())
