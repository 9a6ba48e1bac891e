"""Every table, a module a noun. Column types, checks and indexes are compared with the migrations by a test.

What happens to a row when the row it refers to goes is said at each foreign key:
CASCADE is part of it, SET NULL outlives it, RESTRICT keeps it, and NO ACTION keeps it too,
unless the same statement removes both, as the removal of an app does.
"""

from skypanel.store.tables import (
    accounts,
    apps,
    audit,
    billing,
    builds,
    config_vars,
    nodes,
    organizations,
    plans,
    releases,
    settings,
    sources,
)
from skypanel.store.tables.columns import metadata

__all__ = [
    "accounts",
    "apps",
    "audit",
    "billing",
    "builds",
    "config_vars",
    "metadata",
    "nodes",
    "organizations",
    "plans",
    "releases",
    "settings",
    "sources",
]
