"""The stack images as they are at a daemon."""

import asyncio
import io

import pytest
from click.testing import CliRunner

from skypanel.cli.main import commands
from skypanel.domain.errors import Unavailable
from skypanel.domain.stack import StackImage
from skypanel.drivers.docker import stack
from skypanel.drivers.docker.api import DockerApi
from tests.support.stack_images import stack_image

PROGRAMS = {
    StackImage.RUN: ("bash", "curl", "node", "npm", "ps", "python3", "tini", "tar", "xz", "zstd"),
    StackImage.BUILD: (
        "cc",
        "erb",
        "file",
        "git",
        "jq",
        "make",
        "nft",
        "node",
        "npm",
        "patch",
        "pkg-config",
        "python3",
        "rsync",
        "tini",
        "unzip",
        "/tools/uv",
    ),
}


@pytest.fixture(scope="module")
def images(swarm):
    return {image: stack_image(swarm.url, image) for image in StackImage}


@pytest.fixture(params=list(StackImage), ids=str)
def image(request):
    return request.param


def said(swarm, name, script, **options):
    return swarm.client.containers.run(name, ["sh", "-c", script], remove=True, network_mode="none", **options).decode()


def test_the_programs_are_there(swarm, images, image):
    missing = said(swarm, images[image], f"for name in {' '.join(PROGRAMS[image])}; do command -v $name >/dev/null || echo $name; done")
    assert missing == ""


def test_it_runs_as_somebody_unprivileged_under_an_init(swarm, images, image):
    assert said(swarm, images[image], "id -u; id -un; pwd; cat /proc/1/comm").split() == ["1000", "app", "/app", "tini"]


def test_no_program_gives_anybody_anothers_rights(swarm, images, image):
    assert said(swarm, images[image], "find / -xdev -type f -perm /6000", user="0") == ""


def test_builds_find_their_folders_and_a_list_of_sources(swarm, images):
    script = "stat -c '%n %U' /app /cache /env /buildpacks; grep -c '^deb ' /etc/apt/sources.list; readlink /var/tmp"
    lines = said(swarm, images[StackImage.BUILD], script).splitlines()
    assert lines[:4] == ["/app app", "/cache app", "/env app", "/buildpacks root"]
    assert int(lines[4]) > 0
    assert lines[5] == "/tmp"


def test_an_image_can_be_told_from_one_with_other_contents(swarm, images, image):
    labels = swarm.client.images.get(images[image]).labels
    assert labels == stack.define(image).labels
    assert images[image].endswith(labels["skypanel.stack.content"][:12])


def test_a_second_call_does_nothing(swarm, images):
    before = {each.id for each in swarm.client.images.list()}
    done = CliRunner().invoke(commands, ["stack", "build", "--docker", swarm.url, "--base", ""])
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [f"{images[image]} is there already." for image in StackImage]
    assert {each.id for each in swarm.client.images.list()} == before


def test_a_base_that_cannot_be_pulled_is_said_and_the_packages_do(swarm, monkeypatch):
    """Here no base is at hand: what follows is the other way, which fails as fast as there is no mmdebstrap."""
    monkeypatch.setenv("PATH", "/nowhere")
    lines = []
    docker = DockerApi(swarm.url)
    definition = stack.define(StackImage.RUN)
    other = type(definition)(definition.image, {**definition.files, "run.packages": "bash\n"})
    with pytest.raises(Unavailable, match="apt install mmdebstrap"):
        stack.ensure(docker, other, lines.append, "localhost:1/none:1")
    asyncio.run(docker.close())
    assert lines[0].startswith("localhost:1/none:1 cannot be pulled.")
    assert lines[1].startswith("Building skypanel/run:")


def test_a_base_that_is_there_makes_the_same_user_and_folders(swarm, images):
    """The Dockerfile's way, on a base that has the packages already; what it makes is thrown away with the daemon."""
    lines = []
    docker = DockerApi(swarm.url)
    run = stack.define(StackImage.RUN)
    undone = f"FROM {images[StackImage.RUN]}\nUSER root\nRUN userdel app; rm -rf /app /var/tmp; mkdir /var/tmp\n"
    base = swarm.client.images.build(fileobj=io.BytesIO(undone.encode()), tag="base:1", rm=True)[0].tags[0]
    again = type(run)(run.image, {**run.files, "finish.sh": run.files["finish.sh"] + "# again\n"})
    stack.ensure(docker, again, lines.append, base)
    asyncio.run(docker.close())
    assert said(swarm, again.name, "id -un; cat /proc/1/comm; stat -c %U /app").split() == ["app", "tini", "app"]
    assert swarm.client.images.get(again.name).labels["skypanel.stack.content"] == again.content
