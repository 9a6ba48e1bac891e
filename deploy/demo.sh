#!/usr/bin/env bash
# Start a panel in a throw-away home, push the sample app to it, ask the app for its page, and stop everything.
set -euo pipefail

sample=$(cd "$(dirname "$0")/demo" && pwd)
scratch=$(mktemp -d /var/tmp/skypanel-demo.XXXXXX)
# The panel's services and its apps run as users of their own, who must be able to pass.
chmod 0755 "$scratch"
panel=

stop() {
	if [[ -n $panel ]]; then
		kill "$panel" 2>/dev/null || true
		wait "$panel" || true
	fi
	rm -rf "$scratch"
}
trap stop EXIT
trap 'exit 130' INT TERM

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

show() {
	printf '$ %s\n' "$*"
	"$@"
}

say "A panel of its own, in $scratch/home"
mkdir -p "$scratch/user/.ssh"
ssh-keygen -q -t ed25519 -N '' -C demo -f "$scratch/user/.ssh/id_ed25519"
read -r ssh_port http_port https_port rendezvous_port < <(python -c 'from skypanel.embedded.choices import free_port; print(*(free_port() for _ in range(4)))')
export SKYPANEL_HOME=$scratch/home SKYPANEL_DOMAIN=localhost
export SKYPANEL_SSH_PORT=$ssh_port SKYPANEL_HTTP_PORT=$http_port SKYPANEL_HTTPS_PORT=$https_port SKYPANEL_RENDEZVOUS_PORT=$rendezvous_port
HOME=$scratch/user skypanel up >"$scratch/up.log" 2>&1 &
panel=$!
until grep -q '^Ctrl-C stops it' "$scratch/up.log"; do
	if ! kill -0 "$panel" 2>/dev/null; then
		cat "$scratch/up.log"
		exit 1
	fi
	sleep 0.2
done
cat "$scratch/up.log"

say "An app, in a git repository"
cp -r "$sample" "$scratch/hello"
cd "$scratch/hello"
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=Demo GIT_AUTHOR_EMAIL=demo@localhost GIT_COMMITTER_NAME=Demo GIT_COMMITTER_EMAIL=demo@localhost
export GIT_SSH_COMMAND="ssh -F none -i $scratch/user/.ssh/id_ed25519 -o IdentitiesOnly=yes -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=$scratch/known_hosts"
show git init --quiet --initial-branch main
show git add .
show git commit --quiet --message "Say hello"
show git remote add skypanel "ssh://git@localhost:$ssh_port/hello.git"

say "The push"
show git push skypanel main

say "The answer"
show curl --silent --show-error --fail --noproxy '*' "http://hello.localhost:$http_port/"
