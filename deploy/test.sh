#!/usr/bin/env bash
# Run all tests: quick ones first, each file on one worker, as its tests may share a panel.
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

# Made once a machine: minutes that no test should wait for.
if [[ $(id -u) == 0 ]]; then python -m tests.support.stack_images; fi

processors=$(nproc)
workers=$((processors < 2 ? 2 : processors > 8 ? 8 : processors))
python -m pytest -n "$workers" --dist loadfile --no-loadscope-reorder "$@"
