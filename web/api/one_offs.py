"""One-off dynos: running a command of an app, attached or detached."""

from collections.abc import Mapping

from skypanel.domain.config_vars import MAX_VALUE_BYTES
from skypanel.domain.errors import Invalid
from skypanel.domain.manifest import ONE_OFF, ONE_OFF_LIFE_S, Dyno, DynoState, Window
from skypanel.domain.names import printable
from skypanel.flow import run as run_flow
from skypanel.flow.audit import ORIGIN
from skypanel.flow.formation import DynoEntry
from web.api import equals, serializers
from web.api.calls import Call, Reply
from web.api.schema import boolean, either, integer, mapping, record, string
from web.keys import MEETINGS, PANEL, host
from web.meetings import Meeting

RUN = record(
    "command",
    command=string(run_flow.MAX_COMMAND_LENGTH),
    attach=boolean(nullable=True),
    env=mapping(either(string(MAX_VALUE_BYTES), integer())),
    force_no_tty=boolean(nullable=True),
    size=string(nullable=True),
    time_to_live=integer(1, int(ONE_OFF_LIFE_S)),
    type=string(nullable=True),
)
MAX_SIDE = 4096


async def create(call: Call) -> Reply:
    """Start a command, or have it start once the caller comes to the rendezvous."""
    app, body = await call.app(), call.body
    equals.check_size(call, app, body.get("size"))
    if body.get("type") not in {None, ONE_OFF}:
        raise Invalid(f"A one-off dyno cannot be of the type {printable(body['type'])}.", f"Leave the type out: it is {ONE_OFF}.")
    environment = {key: str(value) for key, value in body.get("env", {}).items()}
    is_attached = body.get("attach") or False
    window = _window(environment) if is_attached and not body.get("force_no_tty") else None
    if window is not None:
        # A terminal knows its size, and programs ask it.
        environment = {key: value for key, value in environment.items() if key not in {"COLUMNS", "LINES"}}
    life_s = float(body.get("time_to_live", ONE_OFF_LIFE_S))
    reserved = await run_flow.reserve(call.panel, app, body["command"], window=window, environment=environment, life_s=life_s)
    attach_url = None
    if is_attached:
        secret = call.request.app[MEETINGS].arrange(Meeting(call.caller.token_id, app.id, reserved.one_off, ORIGIN.get()))
        attach_url = f"rendezvous://{host(call.request)}:{call.request.app[PANEL].address.rendezvous_port}/{secret}"
    else:
        await run_flow.detach(call.panel, app, reserved.one_off, call.account)
    entry = DynoEntry(Dyno(reserved.key, DynoState.STARTING, call.panel.clock.now()), reserved.release_id, body["command"])
    return Reply(serializers.dyno(entry, app, attach_url), 201, {"Cache-Control": "no-store"})


def _window(environment: Mapping[str, str]) -> Window | None:
    """Return the size of the caller's terminal, which comes as two variables; without them there is none."""
    sides = [environment.get(name, "") for name in ("COLUMNS", "LINES")]
    if not all(side.isascii() and side.isdigit() and 1 <= int(side) <= MAX_SIDE for side in sides):
        return None
    return Window(*(int(side) for side in sides))
