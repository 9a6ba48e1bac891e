#!/usr/bin/env bash
# Runs a dyno's command under docker-init: dyno.sh LINGER_S SOURCE COMMAND...
# SOURCE is the file with the environment, or - for standard input.
linger_s=$1
source=$2
shift 2

told=
# Told to stop, an app goes on for a moment, until no proxy sends it requests; then each of its processes is told.
# shellcheck disable=SC2317 # the trap calls it
stop() {
	trap '' TERM
	told=yes
	echo '[skypanel] Stopping all processes with SIGTERM'
	sleep "$linger_s"
	kill -TERM -1
}
trap stop TERM

# The shell would give /dev/null to what it runs in the background.
python3 -I -S -B /skypanel/enter.py "$source" "$@" <&0 &
app=$!
[[ $source != - ]] || exec </dev/null

wait "$app"
status=$?
if [[ $told ]]; then
	# It was the signal that ended the waiting.
	wait "$app"
	status=$?
fi
echo "[skypanel] Process exited with status $status"
exit "$status"
