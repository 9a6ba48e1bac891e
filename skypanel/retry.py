"""Retries with exponential backoff and jitter, by stamina."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
Errors = type[Exception] | tuple[type[Exception], ...]
_NO_TIME_S = 0.001  # stamina warns about a time of 0


def _always(_error: Exception) -> bool:
    return True


@dataclass(frozen=True)
class Backoff:
    """Pauses between attempts: about `first_s`, then twice as long each time, up to `longest_s`. `attempts` may limit them."""

    first_s: float
    longest_s: float
    attempts: int | None = None

    async def retry(
        self, do: Callable[[], Awaitable[T]], on: Errors, passes: Callable[[Exception], bool] = _always, within_s: float | None = None
    ) -> T:
        """Return what `do` returns. An error of `on` that `passes` is retried for `within_s`, then raised; any other is raised at once."""
        try:
            return await do()
        except on as error:
            failure = error
        async for attempt in _attempts(on, passes, self._limits(within_s)):
            with attempt:
                if attempt.num == 1:
                    raise failure
                return await do()
        raise failure

    def retry_blocking(
        self, do: Callable[[], T], on: Errors, passes: Callable[[Exception], bool] = _always, within_s: float | None = None
    ) -> T:
        """Do what `retry` does, in a thread that may block."""
        try:
            return do()
        except on as error:
            failure = error
        for attempt in _attempts(on, passes, self._limits(within_s)):
            with attempt:
                if attempt.num == 1:
                    raise failure
                return do()
        raise failure

    def _limits(self, within_s: float | None) -> dict[str, Any]:
        return {
            "attempts": self.attempts,
            "timeout": None if within_s is None else max(within_s, _NO_TIME_S),
            "wait_initial": self.first_s,
            "wait_max": self.longest_s,
            "wait_jitter": self.first_s / 2,
        }


def _attempts(on: Errors, passes: Callable[[Exception], bool], limits: dict[str, Any]) -> Any:  # noqa: ANN401 - stamina's type has no public name
    """Return stamina's attempts. The first one has failed already: what succeeds at once does not import stamina."""
    import stamina
    from stamina.instrumentation import set_on_retry_hooks

    set_on_retry_hooks(())  # the callers log what matters
    return stamina.retry_context(lambda error: isinstance(error, on) and passes(error), **limits)
