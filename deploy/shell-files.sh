#!/usr/bin/env bash
# List every shell script of the tree: by its name, or by its first line.
set -euo pipefail

find . \( -name .git -o -name .venv -o -name node_modules -o -name '.*_cache' \) -prune -o -type f -print | sort |
	while IFS= read -r file; do
		case $file in
		*.sh | *.bash) printf '%s\n' "$file" ;;
		*.py | *.md | *.lock) ;;
		*) if head -c 64 "$file" | head -n 1 | grep -qaE '^#!.*[/ ](ba|da)?sh\b'; then printf '%s\n' "$file"; fi ;;
		esac
	done
