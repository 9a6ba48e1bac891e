"""What runs in a dyno's container around the app."""

from pathlib import Path

FOLDER = "skypanel"
SCRIPTS = ("dyno.sh", "elsewhere.py", "enter.py", "health.sh")


def scripts() -> dict[str, bytes]:
    """Return the contents of the scripts by their paths in an image, without a leading slash."""
    here = Path(__file__).parent
    files = [*(here / name for name in SCRIPTS), here.parent / "listening.py"]
    return {f"{FOLDER}/{file.name}": file.read_bytes() for file in files}
