"""What is in the stack images, and when they are made anew."""

from dataclasses import replace

from skypanel.domain import stack
from skypanel.domain.stack import StackImage
from skypanel.drivers.docker.stack import define


def test_the_build_image_has_all_that_the_run_image_has():
    run, build = define(StackImage.RUN), define(StackImage.BUILD)
    assert set(run.packages) < set(build.packages)
    assert {"tini", "python3", "nodejs", "npm", "nftables"} <= set(run.packages)
    assert {"git", "ruby"} <= set(build.packages) - set(run.packages)


def test_a_name_changes_with_what_is_in_the_image():
    run = define(StackImage.RUN)
    more = replace(run, files={**run.files, "run.packages": run.files["run.packages"] + "jq\n"})
    assert more.name != run.name
    assert replace(run, files={**run.files, "run.packages": "# new words\n" + run.files["run.packages"]}).name == run.name
    assert replace(run, files={**run.files, "finish.sh": "exit 0\n"}).name != run.name
    build = define(StackImage.BUILD)
    assert replace(build, tools={"uv": "0"}).name != build.name


def test_both_ways_describe_one_image():
    build = define(StackImage.BUILD)
    text = stack.dockerfile(build)
    assert all(line in text for line in stack.changes(build))
    assert stack.build_arguments(build, "debian")["PACKAGES"].split(" ") == list(build.packages)
    command = stack.root_command(build, "/a folder", "/programs")
    assert f"--include={','.join(build.packages)}" in command
    assert "--customize-hook=copy-in '/a folder/finish.sh' /tmp" in command
    assert '--customize-hook=install -D -m 0755 /programs/uv "$1"/tools/uv' in command
    assert "COPY uv /tools/uv" in text
    assert command[-1] == "bookworm"


def test_an_image_says_what_it_is():
    run = define(StackImage.RUN)
    assert run.name == f"skypanel/run:{run.content[:12]}"
    assert f"LABEL skypanel.stack.content={run.content}" in stack.changes(run)
    assert 'ENTRYPOINT ["/usr/bin/tini", "--"]' in stack.changes(run)
    assert "USER 1000:1000" in stack.changes(run)
