"""Nodes. One worker at a time works on a node, under a lease."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import DateTime, Update, and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from skypanel.domain import report as reports
from skypanel.domain.errors import Conflict, NotFound
from skypanel.domain.ids import NodeId
from skypanel.domain.node import Node, NodeState, SecretKind, SshLogin, Wanted
from skypanel.domain.report import Report
from skypanel.ports.database import Connection
from skypanel.store import leases, locks
from skypanel.store.rows import Row, found, one
from skypanel.store.tables.apps import applications
from skypanel.store.tables.builds import slugs
from skypanel.store.tables.nodes import nodes
from skypanel.store.tables.releases import OPEN_ROLLOUT, releases, rollouts

_WORK = frozenset({NodeState.PROVISIONING, NodeState.REMOVING})
_WAITING = and_(nodes.c.state.in_(_WORK), or_(nodes.c.lease_until.is_(None), leases.lapsed(nodes)))


async def add(conn: Connection, name: str, login: SshLogin, secret: bytes) -> Node:
    """Add a pending node; `secret` is the encrypted secret of the login. Raises Conflict if the name is taken."""
    values = {
        "name": name,
        "address": login.address,
        "port": login.port,
        "user": login.user,
        "host_key": login.host_key,
        "kind": login.kind,
        "secret": secret,
        "state": NodeState.PENDING,
        "wanted": Wanted.ACTIVE,
    }
    row = await conn.first(insert(nodes).values(values).on_conflict_do_nothing(index_elements=["name"]).returning(nodes))
    if row is None:
        raise Conflict(f"There is a node {name} already.", "Choose another name, or remove that one first.")
    return _read(row)


async def get(conn: Connection, node_id: NodeId) -> Node:
    """Return a node. Raises NotFound."""
    return _read(await found(conn, select(nodes).where(nodes.c.id == node_id), "node"))


async def by_id(conn: Connection, node_id: NodeId) -> Node | None:
    """Return a node, or None if it is gone."""
    row = await conn.first(select(nodes).where(nodes.c.id == node_id))
    return None if row is None else _read(row)


async def by_name(conn: Connection, name: str) -> Node:
    """Return the node with this name. Raises NotFound."""
    row = await conn.first(select(nodes).where(nodes.c.name == name))
    if row is None:
        raise NotFound(f"There is no node {name}.", "Run `skypanel nodes` to list them.")
    return _read(row)


async def by_token(conn: Connection, digest: str) -> Node | None:
    """Return the node whose agent's token has this digest, or None."""
    row = await conn.first(select(nodes).where(nodes.c.token_digest == digest))
    return None if row is None else _read(row)


async def by_member(conn: Connection, member_id: str) -> Node | None:
    """Return the node with this id in the Swarm, or None."""
    row = await conn.first(select(nodes).where(nodes.c.member == member_id))
    return None if row is None else _read(row)


async def all(conn: Connection) -> list[Node]:  # noqa: A001 - callers write nodes.all
    """Return all nodes, in order of name."""
    return [_read(row) for row in await conn.all(select(nodes).order_by(nodes.c.name))]


async def now(conn: Connection) -> datetime:
    """Return the database's time, which dates heartbeats: the clocks of workers may differ."""
    moment: datetime = (await one(conn, select(func.clock_timestamp(type_=DateTime(timezone=True)).label("now")))).now
    return moment


async def claim(conn: Connection, worker: str, lease_s: float) -> Node | None:
    """Claim a node for provisioning or removal, or return None. No worker has it, or its lease has expired."""
    await locks.hold(conn, "claim of nodes")
    next_ = await conn.first(select(nodes).where(_WAITING).order_by(nodes.c.created_at).limit(1).with_for_update(skip_locked=True))
    if next_ is None:
        return None
    return _read(await one(conn, leases.claimed(nodes, next_.id, next_.state, worker, lease_s).returning(nodes)))


async def renew(conn: Connection, node: Node, lease_s: float) -> bool:
    """Renew an attempt's lease; False if the lease is lost."""
    return bool(await conn.execute(leases.renewed(nodes, node.id, node.state, node.attempt, lease_s)))


async def finish(conn: Connection, node: Node, state: NodeState, error: str | None = None) -> bool:
    """Record the result of an attempt; False if the lease is lost."""
    outcome = {"state": state, "error": error}
    return bool(await conn.execute(leases.finished(nodes, node.id, node.state, node.attempt, outcome)))


async def waiting(conn: Connection) -> int:
    """Return how many nodes wait for a worker."""
    return int((await one(conn, select(func.count().label("number")).select_from(nodes).where(_WAITING))).number)


async def provision(conn: Connection, node_id: NodeId) -> bool:
    """Request provisioning of a node; False while a worker provisions or removes it, or if it is to be removed."""
    free = nodes.c.state.not_in(_WORK)
    values = {"state": NodeState.PROVISIONING, "wanted": Wanted.ACTIVE, "error": None, "lease_until": None}
    return bool(await conn.execute(update(nodes).where(nodes.c.id == node_id, free, nodes.c.wanted != Wanted.REMOVED).values(values)))


async def want(conn: Connection, node_id: NodeId, wanted: Wanted) -> None:
    """Set the state that an administrator wants."""
    await conn.execute(_of(node_id).values(wanted=wanted))


async def remove_unused(conn: Connection, node_id: NodeId) -> bool:
    """Request removal of a node that was never completely provisioned, so nothing ever ran there; False for any other."""
    unused = _of(node_id).where(nodes.c.state == NodeState.PENDING)
    return bool(await conn.execute(unused.values(state=NodeState.REMOVING, wanted=Wanted.REMOVED)))


async def move(conn: Connection, node: Node, state: NodeState) -> bool:
    """Change the state of a node; False if it changed in the meantime."""
    return bool(await conn.execute(_of(node.id).where(nodes.c.state == node.state, nodes.c.wanted == node.wanted).values(state=state)))


async def set_member(conn: Connection, node_id: NodeId, member_id: str) -> None:
    """Record the id of a node in the Swarm, which it just joined. Raises Conflict if another node has it."""
    try:
        await conn.execute(_of(node_id).values(member=member_id, joined_at=func.clock_timestamp()))
    except Conflict as error:
        raise Conflict("Another node is the same machine.", "Run `skypanel nodes` to list them, and remove one of the two.") from error


async def set_token(conn: Connection, node_id: NodeId, digest: str) -> None:
    """Replace the token of a node's agent; the old token stops working."""
    await conn.execute(_of(node_id).values(token_digest=digest))


async def set_secret(conn: Connection, node_id: NodeId, secret: bytes) -> None:
    """Replace a node's encrypted secret."""
    await conn.execute(_of(node_id).values(secret=secret))


async def note(conn: Connection, node_id: NodeId, error: str) -> None:
    """Record an error of a node."""
    await conn.execute(_of(node_id).values(error=error))


async def record_heartbeat(conn: Connection, node_id: NodeId, report: Report) -> None:
    """Record a heartbeat."""
    stored = report.to_json()
    staged = stored.pop("staged")
    await conn.execute(_of(node_id).values(heartbeat_at=func.clock_timestamp(), report=stored, staged=staged))


async def remove(conn: Connection, node: Node) -> bool:
    """Delete a node; False if this attempt has lost its lease."""
    held = and_(nodes.c.id == node.id, nodes.c.state == node.state, nodes.c.attempt == node.attempt)
    return bool(await conn.execute(delete(nodes).where(held)))


async def wanted_slugs(conn: Connection) -> list[str]:
    """Return the digests of slugs that dynos may start from now: those of current releases and of open rollouts."""
    live = select(releases.c.slug_id).join(applications, applications.c.current_release_id == releases.c.id)
    rolling_out = select(releases.c.slug_id).join(rollouts, rollouts.c.release_id == releases.c.id).where(OPEN_ROLLOUT)
    statement = select(slugs.c.digest).where(or_(slugs.c.id.in_(live), slugs.c.id.in_(rolling_out))).distinct().order_by(slugs.c.digest)
    return [row.digest for row in await conn.all(statement)]


async def lacking(conn: Connection, digest: str) -> Sequence[Node]:
    """Return the active nodes that have not reported this slug as staged."""
    without = ~nodes.c.staged.contains([digest])
    statement = select(nodes).where(nodes.c.state == NodeState.ACTIVE, without).order_by(nodes.c.name)
    return [_read(row) for row in await conn.all(statement)]


def _of(node_id: NodeId) -> Update:
    return update(nodes).where(nodes.c.id == node_id)


def _read(row: Row) -> Node:
    return Node(
        id=row.id,
        name=row.name,
        address=row.address,
        port=row.port,
        user=row.user,
        host_key=row.host_key,
        kind=SecretKind(row.kind),
        secret=row.secret,
        state=NodeState(row.state),
        wanted=Wanted(row.wanted),
        attempt=row.attempt,
        created_at=row.created_at,
        member_id=row.member,
        joined_at=row.joined_at,
        heartbeat_at=row.heartbeat_at,
        report=None if row.report is None else reports.parse({**row.report, "staged": row.staged}),
        error=row.error,
    )
