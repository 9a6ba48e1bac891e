"""A form that was sent."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Submission:
    """What became of a form: whether its handler has finished, where its answer led, and what the next page said."""

    is_finished: bool
    location: str | None
    message: str | None
