"""An archive from a developer's machine, built and live without git: over the whole panel, by curl."""

import subprocess
import tarfile
import threading

import pytest

from tests.journeys.curl import Curl
from tests.journeys.harness import FIXTURES, Answer, wait_for
from tests.support.archives import HOSTILE, entry, of_folder, tgz


@pytest.fixture
def curl(panel):
    return Curl(panel)


def test_an_archive_goes_live_and_a_push_after_it(panel, curl):
    curl.create("by-archive")
    made = curl.build("by-archive", curl.upload(of_folder(FIXTURES / "python-plain")), version="1.2")
    text = curl.output(made)
    assert "Python app detected" in text
    assert "Verifying deploy... done" in text
    assert panel.get("by-archive") == Answer(200, "Hello from SkyPanel\n")
    shown = curl(f"{curl.base}/apps/by-archive/builds/{made['id']}")
    assert (shown["status"], shown["source_blob"]["version"]) == ("succeeded", "1.2")
    repository = panel.repository("python-plain")
    repository.edit("app.py", "Hello from SkyPanel", "Hello again")
    repository.commit("Second")
    repository.push("by-archive")
    assert panel.get("by-archive").body == "Hello again\n"
    kinds = [build["source_blob"]["kind"] for build in curl(f"{curl.base}/apps/by-archive/builds")]
    assert kinds == ["archive", "git"]


def test_a_build_is_cancelled_half_way_and_the_old_release_serves(panel, curl):
    curl.create("cancelled")
    curl.output(curl.build("cancelled", curl.upload(of_folder(FIXTURES / "python-plain"))))
    with tarfile.open(panel.home / "upload.tgz") as archive:
        entries = [(one, archive.extractfile(one).read()) for one in archive if one.isreg()]
    hanging = entry("bin/post_compile", b"#!/bin/sh\necho it hangs\nsleep 600\n", mode=0o755)
    made = curl.build("cancelled", curl.upload(tgz(*entries, hanging)))
    lines = []
    stream = subprocess.Popen(curl.argv("-N", made["output_stream_url"], token=False), stdout=subprocess.PIPE, text=True)
    reader = threading.Thread(target=lambda: lines.extend(iter(stream.stdout.readline, "")), daemon=True)
    reader.start()
    try:
        wait_for("the build to hang", lambda: any("it hangs" in line for line in lines), 60)
        curl.build("cancelled", curl.upload(of_folder(FIXTURES / "python-plain")), status=409)
        stopped = curl("-X", "DELETE", f"{curl.base}/apps/cancelled/builds/{made['id']}", status=200)
        assert stopped["status"] == "failed"
        assert stream.wait(60) == 0
    finally:
        stream.kill()
        stream.wait(60)
        reader.join(10)
        stream.stdout.close()
    assert any("cancelled this build" in line for line in lines)
    assert panel.get("cancelled").status == 200
    # Its place is free again.
    curl.output(curl.build("cancelled", curl.upload(of_folder(FIXTURES / "python-plain"))))


@pytest.mark.parametrize("name", ["absolute", "link out", "one byte", "nothing", "no files", "cut off", "device"])
def test_what_cannot_be_built_is_refused_at_the_upload(curl, name):
    curl.upload(HOSTILE[name], status=422)
    assert curl.uploaded["id"] == "invalid_params"


def test_only_what_was_uploaded_here_is_built(panel, curl):
    curl.create("elsewhere")
    url = curl.upload(of_folder(FIXTURES / "python-plain"))
    assert "checksum" in curl.build("elsewhere", url, status=422, checksum="SHA256:" + "0" * 64)["message"]
    assert "POST /sources" in curl.build("elsewhere", f"http://127.0.0.1:{panel.ports[1]}/", status=422)["message"]
