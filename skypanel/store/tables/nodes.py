"""Machines of a Swarm, and what they are told to stop."""

from sqlalchemy import CheckConstraint, Column, DateTime, Integer, LargeBinary, Table, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from skypanel.domain.node import NodeState, SecretKind, Wanted
from skypanel.store.tables.columns import DIGEST, created_at, identity, lease, matches, metadata, one_of, reference, string, time

nodes = Table(
    "paas_nodes",
    metadata,
    identity(),
    Column("name", Text, nullable=False, unique=True),
    string("address"),
    Column("port", Integer, nullable=False),
    string("user"),
    string("host_key"),
    string("kind"),
    Column("secret", LargeBinary, nullable=False),
    Column("token_digest", Text, unique=True),
    string("state"),
    string("wanted"),
    string("error", nullable=True),
    Column("member", Text, unique=True, comment="The Swarm's name for it."),
    time("joined_at"),
    time("heartbeat_at"),
    Column("report", JSONB),
    Column("staged", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    created_at(),
    *lease(),
    one_of("state", NodeState),
    one_of("wanted", Wanted),
    one_of("kind", SecretKind),
    matches("token_digest", DIGEST),
    CheckConstraint("port BETWEEN 1 AND 65535", name="port"),
    comment="A machine of the Swarm: how it is reached, what is wanted of it, and what its agent said last.",
)

stop_orders = Table(
    "paas_stop_orders",
    metadata,
    reference("node_id", "paas_nodes", "CASCADE", primary_key=True, index=False),
    Column("container", Text, primary_key=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp(), index=True),
    matches("container", DIGEST),
    comment="The container of a dyno that a node's agent is to stop.",
)
