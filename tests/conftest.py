"""For all tests."""

import signal

from hypothesis import settings

from tests.support.pace import (
    pytest_collection,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_runtest_call,
    pytest_xdist_make_scheduler,
)

__all__ = [
    "pytest_collection",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_runtest_call",
    "pytest_xdist_make_scheduler",
]

# Shells without job control start background jobs with SIGINT ignored, and nohup ignores SIGHUP. Programs that tests start
# would inherit that.
for number, action in {
    signal.SIGHUP: signal.SIG_DFL,
    signal.SIGINT: signal.default_int_handler,
    signal.SIGQUIT: signal.SIG_DFL,
}.items():
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, action)

# How long an example takes says how busy the machine is, and nothing else.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
