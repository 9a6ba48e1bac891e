"""One-off dynos: run a command of an app, attached or detached."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import UNSET, Meta, field

from skypanel.domain.config_vars import MAX_VALUE_BYTES
from skypanel.domain.errors import Invalid
from skypanel.domain.manifest import ONE_OFF, ONE_OFF_LIFE_S, Dyno, DynoState, Window
from skypanel.domain.names import printable
from skypanel.flow import run as run_flow
from skypanel.flow.audit import ORIGIN
from skypanel.flow.formation import DynoEntry
from web.api import equals
from web.api.bodies import MAX_SIDE, Body, Fields, Maybe, Number, Text
from web.api.calls import Call, Reply
from web.api.resources import dynos
from web.keys import PANEL, PENDING_RUNS, host
from web.pending_runs import PendingRun


class NewDyno(Body):
    """The command of a one-off dyno, and how to run it."""

    command: Annotated[str, Meta(max_length=run_flow.MAX_COMMAND_LENGTH)]
    attach: bool | None = None
    env: Fields[Annotated[str, Meta(max_length=MAX_VALUE_BYTES)] | Number] = field(default_factory=dict)
    force_no_tty: bool | None = None
    size: Text | None = None
    time_to_live: Maybe[Annotated[int, Meta(ge=1, le=int(ONE_OFF_LIFE_S))]] = UNSET
    type: Text | None = None


async def create(call: Call, body: NewDyno) -> Reply:
    """Run a command in a one-off dyno. If attached, it starts when the client connects to the attach URL."""
    app = await call.app()
    equals.check_size(call, app, body.size)
    if body.type not in {None, ONE_OFF}:
        raise Invalid(f"A one-off dyno cannot be of the type {printable(body.type)}.", f"Leave the type out: it is {ONE_OFF}.")
    environment = {key: str(value) for key, value in body.env.items()}
    is_attached = bool(body.attach)
    window = _window(environment) if is_attached and not body.force_no_tty else None
    if window is not None:
        # Programs ask the terminal for its size, so they need no variables.
        environment = {key: value for key, value in environment.items() if key not in {"COLUMNS", "LINES"}}
    life_s = float(body.time_to_live or ONE_OFF_LIFE_S)
    reserved = await run_flow.reserve(call.panel, app, body.command, window=window, environment=environment, life_s=life_s)
    attach_url = None
    if is_attached:
        secret = call.request.app[PENDING_RUNS].arrange(PendingRun(call.caller.token_id, app.id, reserved.one_off, ORIGIN.get()))
        attach_url = f"rendezvous://{host(call.request)}:{call.request.app[PANEL].address.rendezvous_port}/{secret}"
    else:
        await run_flow.detach(call.panel, app, reserved.one_off, call.account)
    entry = DynoEntry(Dyno(reserved.key, DynoState.STARTING, call.panel.clock.now()), reserved.release_id, body.command)
    return Reply(dynos.dyno(entry, app, attach_url), 201, {"Cache-Control": "no-store"})


def _window(environment: Mapping[str, str]) -> Window | None:
    """Return the size of the caller's terminal from COLUMNS and LINES, or None if either is absent or out of bounds."""
    sides = [environment.get(name, "") for name in ("COLUMNS", "LINES")]
    if not all(side.isascii() and side.isdigit() and 1 <= int(side) <= MAX_SIDE for side in sides):
        return None
    return Window(*(int(side) for side in sides))
