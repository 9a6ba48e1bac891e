"""Slugs as image layers."""

import hashlib
import io
import json
import tarfile

import pytest

from skypanel.host.layers import UID, BadSlug, image, write_layer

STACK = {"Architecture": "amd64", "Os": "linux", "Config": {"Env": ["A=b"]}, "RootFS": {"Layers": ["sha256:one", "sha256:two"]}}


def slug(*entries, body=b"text"):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for entry in entries:
            entry.size = len(body) if entry.isreg() else 0
            tar.addfile(entry, io.BytesIO(body))
    archive.seek(0)
    return archive


def entry(name, type_=tarfile.REGTYPE, **fields):
    made = tarfile.TarInfo(name)
    made.type, made.mode = type_, 0o755
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def layer(*entries):
    target = io.BytesIO()
    diff_id = write_layer(slug(*entries), target)
    assert diff_id == f"sha256:{hashlib.sha256(target.getvalue()).hexdigest()}"
    target.seek(0)
    return tarfile.open(fileobj=target)


def test_a_slug_lies_at_app_and_belongs_to_the_dynos_user():
    files = layer(
        entry(".", tarfile.DIRTYPE), entry("./bin/run", uid=5, uname="root"), entry("./link", tarfile.SYMTYPE, linkname="/usr/bin/env"),
        entry("./hard", tarfile.LNKTYPE, linkname="./bin/run"), entry(f"{'d' * 150}/{'f' * 150}"),
    )  # fmt: skip
    assert len(set(files.getnames())) == len(files.getnames())
    own = {member.name: member for member in files if member.name.split("/")[0] == "app"}
    assert {"app", "app/bin/run", "app/link", "app/hard", f"app/{'d' * 150}/{'f' * 150}"} == set(own)
    assert {(member.uid, member.gid, member.uname) for member in own.values()} == {(UID, UID, "")}
    assert (own["app/link"].linkname, own["app/hard"].linkname) == ("/usr/bin/env", "app/bin/run")
    assert files.extractfile("app/bin/run").read() == b"text"


def test_the_scripts_around_an_app_are_roots_and_come_after_it():
    files = layer(entry("skypanel"))
    names = files.getnames()
    assert names[-3:] == ["skypanel/enter.py", "skypanel/health.sh", "skypanel/listening.py"]
    assert {files.getmember(name).uid for name in names[-3:]} == {0}


def test_devices_and_pipes_are_left_out():
    files = layer(entry("disk", tarfile.BLKTYPE), entry("null", tarfile.CHRTYPE), entry("pipe", tarfile.FIFOTYPE))
    assert [name for name in files.getnames() if name.startswith("app/")] == []


@pytest.mark.parametrize("bad", [entry("../etc/passwd"), entry("a/../../b"), entry("hard", tarfile.LNKTYPE, linkname="../../etc/shadow")])
def test_paths_out_of_a_slug_are_refused(bad):
    with pytest.raises(BadSlug, match="leads out of the slug"):
        layer(bad)


def test_what_is_no_archive_is_refused():
    with pytest.raises(BadSlug):
        write_layer(io.BytesIO(b"no archive" * 100), io.BytesIO())


def test_the_same_slug_on_the_same_stack_is_the_same_image_everywhere():
    one, other = (image(STACK, "sha256:three", tag) for tag in ("a:1", "b:2"))
    assert one.id == other.id
    assert image(STACK, "sha256:four", "a:1").id != one.id
    config = json.loads(one.config)
    assert config["rootfs"]["diff_ids"] == ["sha256:one", "sha256:two", "sha256:three"]
    assert config["config"] == {"Env": ["A=b"], "User": "1000:1000", "WorkingDir": "/app"}


def test_what_docker_loads_names_the_stacks_layers_and_holds_only_the_slugs():
    made = image(STACK, "sha256:three", "a:1")
    body = b"".join(made.archive(io.BytesIO(b"x" * 700), 700))
    with tarfile.open(fileobj=io.BytesIO(body)) as files:
        (listing,) = json.load(files.extractfile("manifest.json"))
        assert sorted(files.getnames()) == sorted([listing["Config"], "manifest.json", "slug.tar"])
        assert files.extractfile("slug.tar").read() == b"x" * 700
    assert listing["RepoTags"] == ["a:1"]
    assert listing["Layers"] == ["stack0.tar", "stack1.tar", "slug.tar"]
