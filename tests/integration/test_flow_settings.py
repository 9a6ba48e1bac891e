"""Changing settings, on a real database and a real S3 endpoint."""

import re
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from cryptography.fernet import Fernet

from skypanel.domain import masking
from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from skypanel.domain.plan import DEFAULT_PLAN
from skypanel.domain.settings import indexes_of
from skypanel.domain.storage import StorageKind
from skypanel.drivers.crypto.fernet import FernetCipher
from skypanel.drivers.storage.chosen import ChosenObjects
from skypanel.drivers.storage.files import FileObjects
from skypanel.drivers.storage.s3 import S3Objects
from skypanel.flow import settings as settings_flow
from skypanel.flow import storage as storage_flow
from skypanel.flow.configured import values
from skypanel.flow.secrets import reencrypt
from skypanel.flow.setup import initialize
from skypanel.store import audit, plans, settings
from tests.contracts.objects import ObjectsContract, chunks, names, read
from tests.support.panels import open_stage


@asynccontextmanager
async def on_chosen_storage(database, folder):
    """A stage whose objects are where its settings say."""
    stage = await open_stage(database, folder / "repositories")

    def open_objects(storage):
        return FileObjects(folder / "objects") if storage.kind is StorageKind.FILES else S3Objects(storage, folder / "scratch")

    cipher = FernetCipher([Fernet.generate_key().decode()])
    objects = ChosenObjects(partial(storage_flow.chosen, database, cipher), open_objects)
    stage.panel = replace(stage.panel, cipher=cipher, objects=objects, open_objects=open_objects)
    try:
        yield stage
    finally:
        await objects.close()


@pytest.fixture
async def stage(database, tmp_path):
    async with on_chosen_storage(database, tmp_path) as made:
        yield made


def bucket(s3, **changes):
    storage = s3.storage
    return {
        "s3_endpoint": storage.endpoint,
        "s3_bucket": storage.bucket,
        "s3_access_key": storage.access_key,
        "s3_secret_key": storage.secret_key,
        **changes,
    }


async def change(stage, **changes):
    await settings_flow.change(stage.panel, stage.admin, changes)


async def shown(stage):
    return {each.setting.key: each.value for each in await settings_flow.show(stage.panel, stage.admin)}


async def stored(stage):
    async with stage.panel.transaction() as conn:
        return await settings.all(conn), await settings.secrets(conn)


class TestChosenFiles(ObjectsContract):
    @pytest.fixture
    def objects(self, stage):
        return stage.panel.objects


@pytest.mark.req("R9.5")
async def test_the_first_start_makes_the_first_plans_once(stage):
    await initialize(stage.panel, ())
    async with stage.panel.transaction() as conn:
        found = await plans.all(conn)
    assert [(plan.name, plan.version) for plan in found] == [("Hobby", 1), ("Standard", 1), ("Pro", 1), ("Business", 1)]


@pytest.mark.req("R8.4")
async def test_the_first_start_writes_every_default_and_later_ones_what_is_new(stage):
    plain, secrets = await stored(stage)
    prefix = plain.pop("s3_prefix")
    assert re.fullmatch(r"skypanel-[0-9a-f]{8}", prefix)
    assert secrets == {}
    assert plain == {
        "default_plan": DEFAULT_PLAN,
        "kept_releases": "all",
        "builds_per_organization": 2,
        "panel_address": "",
        "public_addresses": "",
        "dns_resolvers": "",
        "git_networks": "",
        "webhook_networks": "",
        "log_masked_parameters": masking.DEFAULT_NAMES,
        "log_retention_days": 7,
        "log_retention_of_plans": "",
        "loki_url": "",
        "loki_tenant": "",
        "loki_user": "",
        "push_creates_apps": True,
        "billing": False,
        "first_byte_timeout_s": 600,
        "idle_timeout_s": 600,
        "hsts_max_age_s": 0,
        "starting_credit": "100.00",
        "currency": "USD",
        "wallet_low_hours": 72,
        "runtime_mirror": "",
        "smtp_host": "",
        "smtp_port": 587,
        "smtp_security": "starttls",
        "smtp_user": "",
        "mail_sender": "",
        "acme_directory": "https://acme-v02.api.letsencrypt.org/directory",
        "acme_email": "",
        "acme_eab_kid": "",
        "acme_ca_bundle": "",
        "certificates_per_organization": 100,
        "dns_updates": "none",
        "rfc2136_server": "",
        "rfc2136_zone": "",
        "rfc2136_key_name": "",
        "rfc2136_key_algorithm": "hmac-sha256",
        "storage": "files",
        "s3_endpoint": "",
        "s3_region": "us-east-1",
        "s3_bucket": "",
    }
    async with stage.panel.transaction() as conn:
        await settings.remove(conn, "kept_releases")
        await settings.put(conn, "push_creates_apps", False, None)  # noqa: FBT003
    await initialize(stage.panel, ())
    plain, _ = await stored(stage)
    assert (plain["kept_releases"], plain["push_creates_apps"], plain["s3_prefix"]) == ("all", False, prefix)


@pytest.mark.req("R8.2")
async def test_package_indexes_of_the_machine_are_taken_over_until_somebody_sets_them(stage):
    theirs = {"pip_index_url": "https://me:secret@pypi.example.com/simple", "npm_registry": "https://npm.example.com"}
    await initialize(stage.panel, (), theirs)
    plain, secrets = await stored(stage)
    assert secrets.keys() == theirs.keys()
    assert not plain.keys() & secrets.keys()
    assert stage.panel.cipher.decrypt(secrets["pip_index_url"]) == theirs["pip_index_url"]
    await change(stage, pip_index_url="", npm_registry="https://own.example.com")
    await initialize(stage.panel, (), theirs)
    async with stage.panel.transaction() as conn:
        chosen = indexes_of(await values(conn, stage.panel.cipher))
    assert (chosen.pip, chosen.npm) == ("", "https://own.example.com")


@pytest.mark.req("R8.3")
async def test_a_change_is_checked_before_any_of_it_is_saved(stage):
    before = await stored(stage)
    for changes, error in (
        ({"push_creates_apps": "false", "kept_releases": "none"}, Invalid),
        ({"push_creates_apps": "false", "no_such": "x"}, NotFound),
        ({"push_creates_apps": "false", "default_plan": "huge"}, Invalid),
        ({"push_creates_apps": "false", "storage": "s3"}, Invalid),
    ):
        with pytest.raises(error):
            await change(stage, **changes)
    assert await stored(stage) == before
    await change(stage, push_creates_apps="false", kept_releases="5")
    after = await shown(stage)
    assert (after["push_creates_apps"], after["kept_releases"]) == (False, 5)


async def test_only_an_administrator_may(stage):
    outsider = await stage.outsider()
    for refused in (
        settings_flow.show(stage.panel, outsider),
        settings_flow.change(stage.panel, outsider, {"kept_releases": "1"}),
        storage_flow.moving(stage.panel, outsider),
        storage_flow.forget(stage.panel, outsider),
    ):
        with pytest.raises(Denied):
            await refused


@pytest.mark.req("R8.2")
async def test_the_keys_of_a_bucket_are_nowhere_in_the_clear(stage, s3, postgres, dsn, caplog):
    await change(stage, storage="s3", **bucket(s3))
    plain, secrets = await stored(stage)
    assert plain["storage"] == "s3"
    assert secrets.keys() == {"s3_access_key", "s3_secret_key", "storage_before"}
    values = await shown(stage)
    assert values["s3_access_key"] is None
    assert values["s3_secret_key"] is None
    dump = postgres.dump(dsn).decode()
    async with stage.panel.transaction() as conn:
        (entry,) = await audit.recent(conn, 1)
    assert entry.action == "settings.change"
    assert entry.details["settings"]["s3_bucket"] == s3.storage.bucket
    assert entry.details["settings"]["s3_secret_key"] == "(secret)"
    for secret in (s3.storage.access_key, s3.storage.secret_key):
        assert secret not in dump
        assert secret not in caplog.text


@pytest.mark.req("R8.5")
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"s3_secret_key": "wrong"}, "refuses the panel's access key"),
        ({"s3_access_key": "wrong"}, "refuses the panel's access key"),
        ({"s3_bucket": "nowhere"}, "no bucket nowhere"),
        ({"s3_endpoint": "http://127.0.0.1:1"}, "does not answer"),
    ],
)
async def test_a_bucket_that_fails_is_not_saved(stage, s3, wrong, says):
    before = await stored(stage)
    for changes in (bucket(s3, **wrong), bucket(s3, storage="s3", **wrong)):
        with pytest.raises(Unavailable, match=says):
            await change(stage, **changes)
    assert await stored(stage) == before


@pytest.mark.req("R8.5")
async def test_a_bucket_is_tried_with_an_object_that_goes_again(stage, s3):
    await change(stage, **bucket(s3))
    assert s3.files() == []
    assert (await shown(stage))["storage"] == "files"
    await change(stage, storage="s3")
    assert s3.files() == []
    with pytest.raises(Unavailable):
        await change(stage, s3_secret_key="wrong")
    await stage.panel.objects.add("slugs", chunks(b"x"))
    assert len(s3.files()) == 1


async def test_a_change_that_another_came_before_is_told_so(stage, s3):
    changed = False

    def open_objects(storage):
        class Slow(S3Objects):
            async def add(self, *args):
                nonlocal changed
                if not changed:
                    changed = True
                    await change(stage, kept_releases="7")
                return await super().add(*args)

        return Slow(storage, s3.folder.parent / "scratch")

    panel = replace(stage.panel, open_objects=open_objects)
    with pytest.raises(Conflict, match="have changed in the meantime"):
        await settings_flow.change(panel, stage.admin, bucket(s3))
    assert (await shown(stage))["s3_bucket"] == ""


async def test_what_is_in_the_old_storage_is_found_and_moved(stage, s3):
    objects = stage.panel.objects
    slug = await objects.add("slugs", chunks(b"an old slug"))
    await objects.put("outputs", "build/1.1", b"lines")
    await change(stage, storage="s3", **bucket(s3))
    assert await objects.exists("slugs", slug.digest)
    assert await read(objects, "slugs", slug.digest) == b"an old slug"
    assert await objects.url("slugs", slug.digest, 60) is None
    source = await objects.add("sources", chunks(b"a new source"))
    assert (await storage_flow.moving(stage.panel, stage.admin)).left == 2
    with pytest.raises(Conflict, match="still being moved"):
        await change(stage, s3_prefix="another")
    await storage_flow.move(stage.panel)
    assert await names(objects, "slugs") == {slug.digest}
    assert await objects.url("slugs", slug.digest, 60)
    assert await read(objects, "outputs", "build/1.1") == b"lines"
    assert await names(objects, "sources") == {source.digest}
    standing = await storage_flow.moving(stage.panel, stage.admin)
    assert standing.left == 0
    assert standing.storages.before is not None, "a process may still be writing there"
    stage.panel.clock.advance(timedelta(days=2).total_seconds())
    await storage_flow.move(stage.panel)
    assert (await storage_flow.moving(stage.panel, stage.admin)).storages.before is None
    await change(stage, s3_prefix="another")
    assert await read(objects, "slugs", slug.digest) == b"an old slug"


async def test_moving_goes_on_where_its_time_was_up(stage, s3):
    for body in (b"one", b"two", b"three"):
        await stage.panel.objects.add("slugs", chunks(body))
    await change(stage, storage="s3", **bucket(s3))
    assert await storage_flow.move(stage.panel, within_s=-1) is False
    assert (await storage_flow.moving(stage.panel, stage.admin)).left == 3
    assert await storage_flow.move(stage.panel) is True
    assert (await storage_flow.moving(stage.panel, stage.admin)).left == 0


async def test_going_back_while_objects_are_being_moved(stage, s3):
    objects = stage.panel.objects
    old = await objects.add("slugs", chunks(b"old"))
    await change(stage, storage="s3", **bucket(s3))
    new = await objects.add("slugs", chunks(b"new"))
    await change(stage, storage="files")
    assert {await read(objects, "slugs", stored.digest) for stored in (old, new)} == {b"old", b"new"}
    await storage_flow.move(stage.panel)
    assert await names(objects, "slugs") == {old.digest, new.digest}


async def test_other_keys_for_the_same_bucket_move_nothing(stage, s3):
    await change(stage, storage="s3", **bucket(s3))
    await storage_flow.forget(stage.panel, stage.admin)
    await change(stage, s3_secret_key=s3.storage.secret_key, s3_region="eu-west-1")
    assert (await storage_flow.moving(stage.panel, stage.admin)).storages.before is None


async def test_a_storage_that_is_gone_for_good_can_be_forgotten(stage, s3):
    await change(stage, storage="s3", **bucket(s3))
    lost = await stage.panel.objects.add("slugs", chunks(b"lost"))
    await storage_flow.forget(stage.panel, stage.admin)
    await change(stage, storage="files")
    s3.stop()
    with pytest.raises(Unavailable):
        await stage.panel.objects.exists("slugs", lost.digest)
    with pytest.raises(Unavailable):
        await storage_flow.move(stage.panel)
    await storage_flow.forget(stage.panel, stage.admin)
    assert not await stage.panel.objects.exists("slugs", lost.digest)
    with pytest.raises(NotFound):
        await storage_flow.forget(stage.panel, stage.admin)


async def test_an_object_that_is_damaged_keeps_the_old_storage_and_holds_up_no_other(stage, s3, tmp_path, caplog):
    objects = stage.panel.objects
    kept = [await objects.add("slugs", chunks(body)) for body in (b"one", b"two", b"three")]
    next(path for path in (tmp_path / "objects").rglob(kept[1].digest)).write_bytes(b"damaged")
    await change(stage, storage="s3", **bucket(s3))
    stage.panel.clock.advance(timedelta(days=2).total_seconds())
    await storage_flow.move(stage.panel)
    assert {kept[0].digest, kept[2].digest} <= await names(objects, "slugs")
    assert kept[1].digest not in await names(objects, "slugs")
    assert "cannot be moved" in caplog.text
    assert (await storage_flow.moving(stage.panel, stage.admin)).left == 1


async def test_rotating_keys_takes_the_settings_along(stage, s3):
    await change(stage, storage="s3", **bucket(s3))
    _, before = await stored(stage)
    assert await reencrypt(stage.panel) == len(before)
    _, after = await stored(stage)
    assert all(after[key] != before[key] for key in before)
    await stage.panel.objects.add("slugs", chunks(b"x"))
