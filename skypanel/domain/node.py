"""Nodes: machines other than the panel's own that run dynos, and their states."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from skypanel.domain.errors import Invalid
from skypanel.domain.ids import NodeId
from skypanel.domain.names import printable
from skypanel.domain.report import Report

HEARTBEAT_S = 10.0
MISSED_HEARTBEATS = 3
MAX_NAME_LENGTH = 40
MAX_PORT = 65535
SSH_PORT = 22


class NodeState(StrEnum):
    """The state of a node. Only an active one gets dynos."""

    PENDING = "pending"
    PROVISIONING = "provisioning"
    JOINING = "joining"  # a member of the Swarm that does not have all slugs yet
    ACTIVE = "active"
    DRAINING = "draining"
    DRAINED = "drained"
    INACTIVE = "inactive"
    REMOVING = "removing"


class Wanted(StrEnum):
    """The state that an administrator requested."""

    ACTIVE = "active"
    DRAINED = "drained"
    REMOVED = "removed"


class Availability(StrEnum):
    """Whether the Swarm may place tasks on a member; one that drains loses its tasks (Docker's terms)."""

    ACTIVE = "active"
    DRAIN = "drain"


WATCHED = frozenset({NodeState.JOINING, NodeState.ACTIVE, NodeState.DRAINING, NodeState.DRAINED, NodeState.INACTIVE})


class NodeChange(StrEnum):
    """What an administrator can do to a node."""

    PROVISION = "provision"
    DRAIN = "drain"
    ACTIVATE = "activate"
    REMOVE = "remove"


_OFFERED = {
    NodeState.PENDING: (NodeChange.PROVISION, NodeChange.REMOVE),
    NodeState.PROVISIONING: (),
    NodeState.JOINING: (NodeChange.PROVISION, NodeChange.DRAIN, NodeChange.REMOVE),
    NodeState.ACTIVE: (NodeChange.DRAIN, NodeChange.REMOVE),
    NodeState.DRAINING: (NodeChange.ACTIVATE, NodeChange.REMOVE),
    NodeState.DRAINED: (NodeChange.ACTIVATE, NodeChange.REMOVE),
    NodeState.INACTIVE: (NodeChange.PROVISION, NodeChange.DRAIN, NodeChange.REMOVE),
    NodeState.REMOVING: (),
}


class SecretKind(StrEnum):
    """How the panel authenticates to a machine."""

    KEY = "key"
    PASSWORD = "password"  # noqa: S105 - the name of a kind, not a secret


@dataclass(frozen=True)
class SshLogin:
    """An SSH address with its credentials. `host_key` is the machine's public key in OpenSSH's format."""

    address: str
    port: int
    user: str
    host_key: str
    kind: SecretKind
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Node:
    """A machine. `member_id` is its id in the Swarm once it joined; `secret` is its SSH key or password, encrypted."""

    id: NodeId
    name: str
    address: str
    port: int
    user: str
    host_key: str
    kind: SecretKind
    secret: bytes = field(repr=False)
    state: NodeState
    wanted: Wanted
    attempt: int
    created_at: datetime
    member_id: str | None = None
    joined_at: datetime | None = None
    heartbeat_at: datetime | None = None
    report: Report | None = None
    error: str | None = None

    @property
    def changes(self) -> tuple[NodeChange, ...]:
        """The changes that are possible in its current state."""
        return _OFFERED[self.state]

    def login(self, secret: str) -> SshLogin:
        """Return its SSH login, with the secret decrypted."""
        return SshLogin(self.address, self.port, self.user, self.host_key, self.kind, secret)


@dataclass(frozen=True)
class SwarmMember:
    """A node as the Swarm sees it; `tasks` counts those that run or are being stopped."""

    id: str
    name: str
    address: str
    is_ready: bool
    availability: Availability
    tasks: int


@dataclass(frozen=True)
class JoinOffer:
    """What a machine needs to join the Swarm; `address` is host:port of a manager."""

    address: str
    token: str = field(repr=False)

    @property
    def host(self) -> str:
        """The manager's host without the port."""
        return self.address.rpartition(":")[0].strip("[]")


def check_name(name: str) -> str:
    """Return `name` if a node may have it. Raises Invalid."""
    if not name.isascii() or not name.replace("-", "").replace(".", "").isalnum() or not name[0].isalnum() or len(name) > MAX_NAME_LENGTH:
        raise Invalid(
            f"{printable(name)} is not a valid node name.",
            f"Use up to {MAX_NAME_LENGTH} letters, digits, dots and dashes; begin with a letter or digit.",
        )
    return name


def check_place(address: str, port: int, user: str) -> None:
    """Raise Invalid unless the values can be an SSH address: no spaces, options or control characters."""
    for what, text in (("address", address), ("user", user)):
        if not text or text.startswith("-") or not text.isascii() or not text.isprintable() or any(sign in text for sign in " /@'\"\\"):
            raise Invalid(f"{printable(text)} is not a valid {what}.", f"Use the {what} that you would give to ssh.")
    if not 1 <= port <= MAX_PORT:
        raise Invalid(f"{port} is not a port number.", f"Use a number from 1 to {MAX_PORT}.")


def is_silent(node: Node, now: datetime) -> bool:
    """Whether a node missed three heartbeats since its last one, or since it joined."""
    signs = [sign for sign in (node.heartbeat_at, node.joined_at) if sign is not None]
    return not signs or now - max(signs) > timedelta(seconds=HEARTBEAT_S * MISSED_HEARTBEATS)


def judged(node: Node, member: SwarmMember | None, now: datetime, *, has_all_slugs: bool) -> NodeState:
    """Return the state of a node from its heartbeats, its Swarm membership and what the administrator wants."""
    if node.state not in WATCHED:
        return node.state
    is_down = member is None or not member.is_ready
    is_empty = is_down or member is None or not member.tasks
    if node.wanted is Wanted.REMOVED:
        return NodeState.REMOVING if is_empty else NodeState.DRAINING
    if is_down or is_silent(node, now):
        return NodeState.INACTIVE
    if node.wanted is Wanted.DRAINED:
        return NodeState.DRAINED if is_empty else NodeState.DRAINING
    return NodeState.ACTIVE if has_all_slugs or node.state is NodeState.ACTIVE else NodeState.JOINING


def availability(state: NodeState) -> Availability:
    """Return the Swarm availability for a node in this state."""
    return Availability.ACTIVE if state is NodeState.ACTIVE else Availability.DRAIN


def why_inactive(node: Node, member: SwarmMember | None) -> str:
    """Return the sentence for the alert about an inactive node."""
    if member is None:
        return f"The node {node.name} is no longer a member of the Swarm."
    if not member.is_ready:
        return f"The node {node.name} is down: the Swarm cannot reach it."
    return f"The node {node.name} has sent no heartbeat for {HEARTBEAT_S * MISSED_HEARTBEATS:g} s."
