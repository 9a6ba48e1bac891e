"""The Clock port: the machine's clock."""

from datetime import UTC, datetime


class SystemClock:
    """The system clock."""

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return datetime.now(UTC)
