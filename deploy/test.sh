#!/usr/bin/env bash
# Run all tests: quick ones first, then the longest; tests/support/pace.py says which files share a worker.
set -euo pipefail

# Tests run parts of the panel as other users. Where these may not enter the clone, the tests run from a copy.
if [[ $(id -u) == 0 ]] && ! setpriv --reuid 65534 --regid 65534 --clear-groups test -r "$PWD/Makefile"; then
	copy=$(mktemp -d /var/tmp/skypanel-tests.XXXXXX)
	trap 'rm -rf "$copy"' EXIT
	chmod 0755 "$copy"
	cp -r . "$copy/clone"
	chmod -R a+rX "$copy/clone"
	cd "$copy/clone"
fi

# Workers and the programs that they start load bytecode; without it, each compiles all modules again.
unset PYTHONDONTWRITEBYTECODE
python -m compileall -q -j 0 skypanel gitreceiver web workers migrations tests/fakes tests/support

# Made once a machine: minutes that no test should wait for.
if [[ $(id -u) == 0 ]]; then python -m tests.support.stack_images; fi

# Tests wait as long as they work: two workers a processor, and 2 GiB of memory for each.
workers=$(($(nproc) * 2))
room=$(awk '/^MemAvailable:/ { print int($2 / 2 ^ 21) }' /proc/meminfo)
workers=$((workers < room ? workers : room))
workers=$((workers < 2 ? 2 : workers > 8 ? 8 : workers))
# The second run takes the failures of this run alone.
rm -f .pytest_cache/v/cache/lastfailed
status=0
python -m pytest -n "$workers" --dist loadfile "$@" || status=$?
python -m tests.support.second_run "$status"
