"""The log files of apps, for programs that write them without a whole panel."""

from pathlib import Path

from skypanel.domain.loki import Loki
from skypanel.drivers.clock import SystemClock
from skypanel.drivers.logs.files import FileLogs
from skypanel.drivers.logs.outgoing import OutgoingFiles
from skypanel.ports.logs import Logs
from skypanel.ports.outgoing import LogStore, Outgoing


def open_logs(folder: Path) -> Logs:
    """Open the logs in a folder."""
    return FileLogs(folder, SystemClock())


def open_outgoing(folder: Path) -> Outgoing:
    """Open the buffer of lines on their way from the logs in a folder to Loki."""
    return OutgoingFiles(folder)


def open_store(loki: Loki) -> LogStore:
    """Open a Loki to store lines in."""
    from skypanel.drivers.loki.store import LokiStore

    return LokiStore(loki)
