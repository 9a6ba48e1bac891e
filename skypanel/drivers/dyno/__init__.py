"""What runs in a dyno's container around the app."""

from pathlib import Path

FOLDER = "skypanel"
SCRIPTS = ("dyno.sh", "enter.py", "health.sh")


def scripts() -> dict[str, bytes]:
    """Return the scripts by their paths in an image, without the slash before them."""
    here = Path(__file__).parent
    return {f"{FOLDER}/{name}": (here / name).read_bytes() for name in SCRIPTS}
