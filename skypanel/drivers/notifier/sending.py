"""A process that sends one message by Apprise, and ends. Standard input has the task, because arguments can be seen by others.

Apprise resolves names and connects by itself, so it is alone in this process, which `guard` restricts.
"""

import json
import logging
import re
import resource
import sys
from http import HTTPStatus
from ipaddress import ip_network

import apprise
from apprise.manager_plugins import NotificationManager

from skypanel.drivers.notifier.guard import Guard

MEMORY_BYTES = 1 << 30
CPU_S = 20
# They show messages on the machine itself, where nobody is.
LOCAL = frozenset({"blink1", "dbus", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows"})
_STATUS = re.compile(r"error=([1-5][0-9]{2})\b")
_LOG = logging.getLogger("apprise")


class Complaints(logging.Handler):
    """Keeps the status code of the last answer that a plugin complained of. The rest of what it logs may have secrets."""

    status = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Look for a status code in a record."""
        if found := _STATUS.search(record.getMessage()):
            self.status = found[1]


def main() -> None:
    """Do the task, and print what came of it."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    task = json.load(sys.stdin)
    NotificationManager().load_modules()  # type: ignore[no-untyped-call]  # Apprise has no types here
    complaints = Complaints()
    _LOG.addHandler(complaints)
    _LOG.propagate = False
    guard = Guard(tuple(map(ip_network, task["networks"])))
    guard.hold()
    # What Apprise or a plugin prints is not the answer.
    out, sys.stdout = sys.stdout, sys.stderr
    json.dump(_answer(task, guard, complaints), out)


def _answer(task: dict[str, str], guard: Guard, complaints: Complaints) -> dict[str, str]:
    service = _service(task["url"])
    if service is None:
        return {"error": "invalid"}
    if "body" in task and not _send(service, task["title"], task["body"]):
        return {"error": "denied" if guard.has_denied else "failed", "reason": _reason(complaints.status)}
    return {"service": str(service.service_name)}


def _service(url: str) -> apprise.NotifyBase | None:
    """Return what a URL leads to, or None if Apprise does not understand it."""
    if url.partition("://")[0].lower() in LOCAL:
        return None
    asset = apprise.AppriseAsset(
        async_mode=False, storage_mode=apprise.PersistentStoreMode.MEMORY, http_redirects=False, app_id="SkyPanel", app_desc="SkyPanel"
    )
    return apprise.Apprise.instantiate(url, asset=asset)


def _send(service: apprise.NotifyBase, title: str, body: str) -> bool:
    sender = apprise.Apprise(asset=service.asset)
    sender.add(service)
    return bool(sender.notify(body=body, title=title, body_format=apprise.NotifyFormat.TEXT))


def _reason(status: str) -> str:
    if not status:
        return "it could not be reached, or did not take the message"
    try:
        return f"it answered {status} ({HTTPStatus(int(status)).phrase})"
    except ValueError:
        return f"it answered {status}"


if __name__ == "__main__":
    main()
