import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from tests.support.buildpack_sandbox import free_port, new_site, wait_until_listening

START = "python3 .heroku/static/server.py"


@pytest.fixture
def site():
    with new_site() as site:
        yield site


@pytest.fixture
def small(site):
    site.use("static-site")
    return site


def test_a_site_is_served_with_types_and_an_error_page(small):
    assert small.detect("static").output == "Static\n"
    assert "-----> Serving the files in the top folder" in small.compiled("static").output
    assert f"web: {START}\n" in small.release("static").output
    with small.serving(START) as server:
        page = server.get("/")
        assert "Hello from a static site" in page.body
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert server.get("/css/site.css").headers["Content-Type"] == "text/css; charset=utf-8"
        assert server.get("/", method="HEAD").body == ""
        missing = server.get("/nowhere")
        assert (missing.status, "Nothing is here" in missing.body) == (404, True)


def test_unchanged_files_are_not_sent_again(small):
    small.compiled("static")
    with small.serving(START) as server:
        page = server.get("/")
        assert server.get("/", If_None_Match=page.headers["ETag"]).status == 304
        assert server.get("/", If_Modified_Since=page.headers["Last-Modified"]).status == 304
        assert server.get("/", If_None_Match='"other"').status == 200
        small.write("index.html", page.body.replace("Hello", "Holla"))
        os.utime(small.app / "index.html", (0, 0))
        assert server.get("/", If_None_Match=page.headers["ETag"]).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/css/",
        "/.heroku/static/site.json",
        "/.git/config",
        "/css/../.git/config",
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/css/%00",
        "/link",
        "/static.json",
        "/Procfile",
        f"/{'a' * 5000}",
    ],
)
def test_what_is_not_the_site_is_not_served(path, hostile):
    assert hostile.get(path).status == 404


@pytest.fixture(scope="module")
def hostile():
    with new_site() as site:
        site.use("static-site")
        site.write(".git/config", "secret")
        site.write("Procfile", f"web: {START}")
        site.write("static.json", "{}")
        site.write(".well-known/security.txt", "Contact: mailto:a@example.com")
        (site.app / "link").symlink_to("/etc/passwd")
        site.compiled("static")
        with site.serving(START) as server:
            yield server


def test_well_known_files_are_served(hostile):
    assert hostile.get("/.well-known/security.txt").status == 200


def test_static_json_names_root_pages_and_a_fallback(site):
    site.write("build/index.html", "home")
    site.write("build/about.html", "about")
    site.write("build/docs/index.html", "docs")
    site.write("static.json", json.dumps({"root": "build", "clean_urls": True, "routes": {"/**": "index.html"}, "https_only": True}))
    output = site.compiled("static").output
    assert "-----> Serving the files in build" in output
    assert " !     static.json: https_only is not supported and is passed over." in output
    with site.serving(START) as server:
        assert server.get("/about").body == "about"
        assert server.get("/docs").body == "docs"
        assert server.get("/any/path/of/the/app").body == "home"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "static.json is not valid JSON"),
        ('{"root": 3}', "root has the wrong type"),
        ('{"root": "../.."}', "outside of the app"),
        ('{"root": "gone"}', "there is no such folder"),
    ],
)
def test_a_bad_static_json_is_refused(small, text, problem):
    small.write("static.json", text)
    done = small.compile("static")
    assert done.code == 1
    assert problem in done.output


def test_sigterm_ends_it_although_a_connection_idles(small):
    small.compiled("static")
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, str(small.app / ".heroku/static/server.py")],
        env={"PORT": str(port), "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wait_until_listening(process, port)
        with socket.create_connection(("127.0.0.1", port)) as idle:
            idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle.recv(9) == b"HTTP/1.1 "
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()


def test_an_app_with_a_procfile_alone_runs_on_the_stack(site):
    site.use("procfile-only")
    assert site.detect("procfile").output == "Procfile\n"
    assert site.compiled("procfile").output.startswith("-----> ")
    assert site.release("procfile").output == "--- {}\n"
    with site.serving() as server:
        assert server.get("/hello.txt").body == "Hello from a Procfile\n"


@pytest.mark.parametrize("name", ["nodejs", "python", "static", "procfile"])
def test_nothing_is_detected_in_an_empty_app(site, name):
    done = site.detect(name)
    assert done.code == 1
    assert done.output.startswith(("No ", "There is no "))
