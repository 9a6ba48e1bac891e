"""A small image for tests: Debian with Python, bash, tini and nftables. It is made once per machine and imported by each daemon."""

import hashlib

from docker import DockerClient

from tests.support.debian import archive

PACKAGES = ("python3", "bash", "tini", "ca-certificates", "nftables")
ROOT = ("mmdebstrap", "--quiet", "--variant=minbase", "--mode=root", f"--include={','.join(PACKAGES)}", "bookworm")
TAG = hashlib.sha256("\n".join(ROOT).encode()).hexdigest()[:12]
NAME = f"skypanel-test:{TAG}"


def small_image(client: DockerClient) -> str:
    """Import the image into a daemon if it lacks it, and return its name."""
    if not client.images.list(NAME):
        with archive(f"small-{TAG}", ROOT).open("rb") as body:
            client.api.import_image_from_data(body, repository="skypanel-test", tag=TAG)
    return NAME
