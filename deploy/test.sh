#!/usr/bin/env bash
# Run all tests: quick ones first, each file on one worker, as its tests may share a panel.
set -euo pipefail

processors=$(nproc)
workers=$((processors < 2 ? 2 : processors > 8 ? 8 : processors))
exec python -m pytest -n "$workers" --dist loadfile --no-loadscope-reorder "$@"
