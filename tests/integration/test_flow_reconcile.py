"""What reconciliation decides about all apps at once, and what it costs."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text, update

from skypanel.domain.manifest import WEB, Dyno, DynoKey, DynoState
from skypanel.domain.release import RolloutReason, RolloutState
from skypanel.flow import reconcile
from skypanel.flow.manifest import manifest_of
from skypanel.flow.reconcile import REPAIR_PAUSE_S
from skypanel.store import apps, formation, organizations, releases, rollouts, routes, standings
from skypanel.store import config_vars as config_store
from skypanel.store.tables.releases import rollouts as rollouts_table
from tests.support import factories
from tests.support.panels import FakeScheduler
from tests.support.statements import Counting
from tests.support.stored import active_rollout, failed_lately

MOST = 15
FOREIGN = "10.9.9.9:5000"


async def repairs(panel):
    """Return the apps that a repair was asked for."""
    async with panel.transaction() as conn:
        rows = await conn.all(text("SELECT app_id FROM paas_rollouts WHERE reason = 'repair' AND state = 'pending'"))
    return {row.app_id for row in rows}


async def live(stage, count):
    """Make apps that have a release and one web dyno, which does not run."""
    async with stage.panel.transaction() as conn:
        owner = (await organizations.of(conn, stage.admin.id))[0]
        made = [await factories.app(conn, owner=owner) for _ in range(count)]
        for each in made:
            release = await factories.release(conn, each)
            await apps.set_current_release(conn, each.id, release.id)
            await formation.fill(conn, each.id, ["web"])
    return made


async def run(stage, app):
    """Have an app's web dyno run, and its route lead there."""
    key = DynoKey(app.id, 1, 1, WEB, 1)
    endpoint = f"10.0.{app.number // 250}.{app.number % 250}:5000"
    stage.panel.scheduler.running[key] = Dyno(key, DynoState.UP, datetime.now(UTC), endpoint)
    async with stage.panel.transaction() as conn:
        await routes.put(conn, app.id, (f"{app.name}.localhost",), (endpoint,))


async def statements(stage):
    """Return how many statements a round takes."""
    counting = Counting(stage.panel.database)
    await reconcile.reconcile(replace(stage.panel, database=counting))
    return counting.count


async def test_a_round_takes_as_many_statements_for_two_hundred_apps_as_for_ten(stage):
    """At rest, where all need a repair, and where all have one that waits."""
    counts = []
    for more in (10, 190):
        made = await live(stage, more)
        in_need = await statements(stage)
        assert await repairs(stage.panel) >= {app.id for app in made}
        waiting = await statements(stage)
        async with stage.panel.transaction() as conn:
            await conn.execute(update(rollouts_table).values(state=RolloutState.SUCCEEDED))
        for app in made:
            await run(stage, app)
        counts.append((await statements(stage), in_need, waiting))
        assert not await repairs(stage.panel)
    assert counts[0] == counts[1]
    assert max(counts[0]) <= MOST


async def test_no_secret_is_decrypted_to_see_that_all_is_well(stage):
    made = await live(stage, 2)
    async with stage.panel.transaction() as conn:
        await config_store.add(conn, made[0].id, {"TOKEN": b"not to be read"}, None)
    await reconcile.reconcile(replace(stage.panel, cipher=None))
    assert await repairs(stage.panel) == {app.id for app in made}


class Stale(FakeScheduler):
    """A scheduler whose first list is of a moment when nothing ran."""

    def __init__(self):
        super().__init__()
        self.lists = 0

    async def dynos(self, app_id=None):
        self.lists += 1
        return [] if self.lists == 1 else await super().dynos(app_id)


async def test_nothing_is_repaired_for_what_an_old_list_of_dynos_says(stage):
    healthy, missing = await live(stage, 2)
    stage.panel = replace(stage.panel, scheduler=Stale())
    await run(stage, healthy)
    await reconcile.reconcile(stage.panel)
    assert stage.panel.scheduler.lists == 2
    assert await repairs(stage.panel) == {missing.id}
    async with stage.panel.transaction() as conn:
        assert (await routes.get(conn, healthy.id)).endpoints


async def test_who_is_being_changed_is_left_to_the_next_round_and_holds_up_no_other(stage):
    changed, other = await live(stage, 2)
    async with stage.panel.transaction() as conn:
        await apps.lock(conn, changed.id)
        async with asyncio.timeout(60):
            await reconcile.reconcile(stage.panel)
    assert await repairs(stage.panel) == {other.id}
    await reconcile.reconcile(stage.panel)
    assert await repairs(stage.panel) == {changed.id, other.id}


async def test_what_is_rolled_out_while_it_is_looked_at_again_is_left_to_the_next_round(stage):
    """And nobody waits for an engine that takes long to answer."""
    changed, other = await live(stage, 2)

    class Slow(Stale):
        async def dynos(self, app_id=None):
            found = await super().dynos(app_id)
            if self.lists == 2:
                async with asyncio.timeout(60), stage.panel.transaction() as conn:
                    release = (await apps.get(conn, changed.id)).current_release_id
                    added = await rollouts.add(conn, changed.id, release, RolloutReason.SCALE)
                    await conn.execute(update(rollouts_table).where(rollouts_table.c.id == added.id).values(state=RolloutState.SUCCEEDED))
            return found

    await reconcile.reconcile(replace(stage.panel, scheduler=Slow()))
    assert await repairs(stage.panel) == {other.id}


async def test_what_changed_last_is_repaired_first(stage):
    made = await live(stage, 3)
    async with stage.panel.transaction() as conn:
        for app in (made[1], made[0]):
            await rollouts.add(conn, app.id, (await apps.get(conn, app.id)).current_release_id, RolloutReason.SCALE)
        await conn.execute(update(rollouts_table).values(state=RolloutState.SUCCEEDED))
    async with stage.panel.transaction() as conn:
        for limit in (1, 2, 3):
            assert await standings.lock(conn, [app.id for app in made], limit) == [app.id for app in made[:limit]]


@dataclass(frozen=True)
class Case:
    """An app as the property has it: what is recorded of it, and what runs."""

    types: tuple[str, ...] | None
    is_released: bool
    is_suspended: bool
    quantities: dict
    last: tuple[RolloutState, bool] | None
    dynos: tuple
    led: tuple[str, ...] | None

    @property
    def is_alive(self):
        return any(state is not DynoState.STOPPING for _, (state, _) in self.dynos)


KEYS = [(version, kind, index) for version in (1, 2) for kind in (WEB, "worker") for index in (1, 2)]
DYNOS = st.dictionaries(st.sampled_from(KEYS), st.tuples(st.sampled_from(list(DynoState)), st.booleans()), max_size=3)
# Most cases are near to being well, else none would ever be.
WELL = st.just({(1, WEB, 1): (DynoState.UP, True)})


def endpoint(number, key):
    return f"10.0.{number}.{KEYS.index(key)}:5000"


@st.composite
def cases(draw):
    dynos = draw(WELL | DYNOS)
    return Case(
        types=draw(st.sampled_from([(WEB,), (WEB, "worker"), None])),
        is_released=draw(st.sampled_from([True, True, True, False])),
        is_suspended=draw(st.sampled_from([False, False, False, True])),
        quantities=draw(st.just({WEB: 1}) | st.dictionaries(st.sampled_from([WEB, "worker"]), st.integers(0, 2))),
        last=draw(st.none() | st.tuples(st.sampled_from(list(RolloutState)), st.booleans())),
        dynos=tuple(dynos.items()),
        led=draw(st.none() | st.just("own") | st.lists(st.sampled_from([*dynos, "foreign"]), max_size=3, unique=True)),
    )


async def arrange(stage, case, teams, number):
    panel = stage.panel
    async with panel.transaction() as conn:
        app = await factories.app(conn, owner=teams[case.is_suspended])
        release = None
        if case.is_released:
            slug = await factories.slug(conn, app, process_types=dict.fromkeys(case.types, "run")) if case.types else None
            release = await releases.add(
                conn,
                app.id,
                slug_id=slug and slug.id,
                config_version_id=(await config_store.head(conn, app.id)).id,
                description="Deploy",
                account_id=None,
            )
            await apps.set_current_release(conn, app.id, release.id)
        for kind, quantity in case.quantities.items():
            await formation.put(conn, app.id, kind, quantity)
        if case.last and release:
            await last_rollout(conn, app, release, *case.last)
        led = case.led
        if led is not None:
            led = [key for key, (_, has) in case.dynos if key[1] == WEB and has] if led == "own" else led
            to = [FOREIGN if key == "foreign" else endpoint(number, key) for key in led]
            await routes.put(conn, app.id, (f"{app.name}.localhost",), to)
    for (version, kind, index), (state, has) in case.dynos:
        key = DynoKey(app.id, version, 1, kind, index)
        where = endpoint(number, (version, kind, index)) if has and kind == WEB else None
        panel.scheduler.running[key] = Dyno(key, state, datetime.now(UTC), where)
    return app


async def last_rollout(conn, app, release, state, is_late):
    added = await rollouts.add(conn, app.id, release.id, RolloutReason.SCALE)
    ended = text(f"now() - interval '{REPAIR_PAUSE_S * (2 if is_late else 0.5)} s'") if state.finished else None
    lease = factories.later() if state is RolloutState.RUNNING else None
    await conn.execute(
        update(rollouts_table).where(rollouts_table.c.id == added.id).values(state=state, finished_at=ended, lease_until=lease)
    )


async def one_by_one(panel, app):
    """Return whether an app is to be repaired, and where its route is to lead, by its whole manifest."""
    dynos = await panel.scheduler.dynos(app.id)
    async with panel.transaction() as conn:
        app, route = await apps.get(conn, app.id), await routes.get(conn, app.id)
        led = list(route.endpoints) if route else None
        if await active_rollout(conn, app.id):
            return False, led
        own = [to for to in led or () if to in {dyno.endpoint for dyno in dynos}]
        led = led and own
        if app.current_release_id is None:
            return False, led
        release = await releases.get(conn, app.current_release_id)
        if release.slug_id is None:
            return False, led
        manifest = await manifest_of(panel.cipher, conn, app, release)
        alive = [dyno for dyno in dynos if dyno.state is not DynoState.STOPPING]
        web = [dyno for dyno in alive if dyno.key.process_type == WEB]
        runs = {dyno.key for dyno in alive} == set(manifest.dynos())
        if runs and {dyno.endpoint for dyno in web} == set(own):
            return False, led
        waits = runs and not all(dyno.state is DynoState.UP for dyno in web)
        return not (waits and await failed_lately(conn, app.id, REPAIR_PAUSE_S)), led


@asynccontextmanager
async def forgotten(stage, made):
    """Remove the apps in the end."""
    try:
        yield
    finally:
        stage.panel.scheduler.running.clear()
        async with stage.panel.transaction() as conn:
            for app in made:
                await apps.remove(conn, app.id)


@pytest.fixture
async def teams(stage):
    async with stage.panel.transaction() as conn:
        normal, suspended = await factories.organization(conn), await factories.organization(conn)
        await organizations.set_unpaid(conn, suspended.id, unpaid=True)
    return normal, suspended


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(drawn=st.lists(cases(), min_size=1, max_size=6))
async def test_all_at_once_is_decided_as_one_by_one(stage, teams, drawn):
    made = []
    async with forgotten(stage, made):
        for number, case in enumerate(drawn):
            made.append(await arrange(stage, case, teams, number))
        expected = [await one_by_one(stage.panel, app) for app in made]
        bare = {app.id for app, case in zip(made, drawn, strict=True) if not case.is_released and case.is_alive}
        await reconcile.reconcile(stage.panel)
        asked = await repairs(stage.panel)
        async with stage.panel.transaction() as conn:
            led = [await routes.get(conn, app.id) for app in made]
        assert [(app.id in asked, list(route.endpoints) if route else None) for app, route in zip(made, led, strict=True)] == expected
        assert not {key.app_id for key in stage.panel.scheduler.running} & bare


async def test_an_id_of_no_app_is_nothing_to_a_set(stage):
    async with stage.panel.transaction() as conn:
        assert await standings.lock(conn, [uuid4()], 1) == []
        assert await standings.settled(conn, [], REPAIR_PAUSE_S) == []
        assert await standings.wanted(conn, [uuid4()]) == {}
