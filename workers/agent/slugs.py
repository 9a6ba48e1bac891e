"""Slugs as Docker images on a node."""

import subprocess
from collections.abc import Sequence
from tempfile import TemporaryFile
from typing import IO, Any
from urllib.parse import quote

from skypanel.host.layers import image, write_layer
from workers.agent import state
from workers.agent.docker import Docker
from workers.agent.errors import Refused
from workers.agent.panel import Panel

LOAD_S = 600.0
# An image has the same id on every node. Its local name says which slug and stack it has.
REPOSITORY = "skypanel-slug-"
# Unwanted images that are kept, for a fast rollback.
SPARE = 10


def repository(stack: dict[str, Any]) -> str:
    """Return the repository of images on this stack. Another stack has another one."""
    return REPOSITORY + str(stack["Id"]).rpartition(":")[2][:12]


def staged(docker: Docker, base: str) -> list[str]:
    """Return the digests of the slugs with an image on the current stack. Empty if the stack is missing."""
    try:
        own = repository(docker.ask("GET", f"/images/{quote(base)}/json"))
    except Refused:
        return []
    return sorted(digest for name, _, digest in (tag.partition(":") for tag in _tags(docker)) if name == own)


def forget(docker: Docker, base: str, wanted: Sequence[str]) -> None:
    """Remove images of unwanted slugs, except the newest SPARE and those of running dynos."""
    own = repository(docker.ask("GET", f"/images/{quote(base)}/json"))
    unwanted = [tag for tag in _tags(docker) if tag not in {f"{own}:{digest}" for digest in wanted}]
    ages = {tag: docker.ask("GET", f"/images/{quote(tag)}/json")["Metadata"]["LastTagTime"] for tag in unwanted[SPARE:] and unwanted}
    for tag in sorted(ages, key=lambda tag: str(ages[tag]), reverse=True)[SPARE:]:
        try:
            docker.ask("DELETE", f"/images/{quote(tag)}")
        except Refused:
            continue  # a dyno uses it


def _tags(docker: Docker) -> list[str]:
    found = docker.ask("GET", "/images/json") or []
    return [tag for known in found for tag in known.get("RepoTags") or () if tag.startswith(REPOSITORY)]


def stage(docker: Docker, panel: Panel, digest: str, base: str) -> None:
    """Make an image of a slug: the stack's layers, and one with the slug at /app. An incomplete image never gets the name."""
    folder = state.folder()
    with TemporaryFile(dir=folder) as slug, TemporaryFile(dir=folder) as layer:
        panel.fetch(digest, slug)
        slug.seek(0)
        stack = docker.ask("GET", f"/images/{quote(base)}/json")
        with subprocess.Popen(["zstd", "-dcq"], stdin=slug, stdout=subprocess.PIPE) as unpacked:
            made = image(stack, write_layer(_readable(unpacked), layer), f"{repository(stack)}:{digest}")
        if unpacked.returncode:
            raise Refused("the slug cannot be unpacked")
        size_bytes = layer.tell()
        layer.seek(0)
        results = docker.ask("POST", "/images/load?quiet=true", made.archive(layer, size_bytes), LOAD_S)
        errors = [str(line["error"]) for line in results if "error" in line]
        if errors:
            raise Refused(f"Docker: {errors[0]}")
        docker.ask("GET", f"/images/{quote(made.id)}/json")


def _readable(process: "subprocess.Popen[bytes]") -> IO[bytes]:
    if process.stdout is None:
        raise Refused("zstd has no output")
    return process.stdout
