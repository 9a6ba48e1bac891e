"""A database with a thousand apps and ten thousand releases in it."""

from sqlalchemy import text

MANY_APPS = """
    INSERT INTO paas_applications (name, organization_id, plan_version_id)
    SELECT 'app-' || to_char(n, 'FM0000'), a.organization_id, a.plan_version_id
    FROM generate_series(1, 999) n, paas_applications a WHERE a.name = '{name}'
"""
THEIR_CONFIG = "INSERT INTO paas_config_versions (app_id, number) SELECT id, 1 FROM paas_applications WHERE name <> '{name}'"
MANY_RELEASES = """
    INSERT INTO paas_releases (app_id, version, slug_id, config_version_id, account_id, state, description)
    SELECT a.id, v, r.slug_id, c.id, r.account_id, 'succeeded', 'Deploy ' || v
    FROM paas_applications a
    JOIN paas_config_versions c ON c.app_id = a.id AND c.number = 1
    JOIN paas_releases r ON r.version = 1 AND r.app_id = (SELECT id FROM paas_applications WHERE name = '{name}')
    CROSS JOIN LATERAL generate_series(CASE a.name WHEN '{name}' THEN 2 ELSE 1 END, CASE a.name WHEN '{name}' THEN 1009 ELSE 9 END) v
"""
CURRENT = """
    UPDATE paas_applications a SET current_release_id = r.id FROM paas_releases r
    WHERE r.app_id = a.id AND r.version = 5 AND a.name <> '{name}'
"""


async def crowd(conn, name):
    """Give the only app there is, with its only release, 999 neighbours and many releases; return how many of both there are then."""
    for statement in (MANY_APPS, THEIR_CONFIG, MANY_RELEASES, CURRENT):
        await conn.execute(text(statement.format(name=name)))
    [count] = await conn.all(text("SELECT (SELECT count(*) FROM paas_applications), (SELECT count(*) FROM paas_releases)"))
    return tuple(count)
