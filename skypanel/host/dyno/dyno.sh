#!/usr/bin/env bash
# Runs a dyno's command under docker-init: dyno.sh LINGER_S GRACE_S SOURCE COMMAND...
# SOURCE is the file with the environment, or a name of `enter.py` for standard input, as one-off dynos use.
linger_s=$1
grace_s=$2
source=$3
shift 3

# The output of a one-off dyno contains only what its command prints.
say() { [[ $source == -* ]] || printf '[skypanel] %s\n' "$1"; }

told=
# Graceful shutdown: the app keeps running until no proxy sends it requests. Then each process gets SIGTERM,
# and after the grace period SIGKILL. Swarm kills by itself only if the service stops, not if a single dyno restarts.
# shellcheck disable=SC2317 # the trap calls it
stop() {
	trap '' TERM
	told=yes
	say 'Stopping all processes with SIGTERM'
	sleep "$linger_s"
	kill -TERM -1
	kill_later &
}

# shellcheck disable=SC2317 # stop calls it
kill_later() {
	local process late=
	sleep "$grace_s"
	for process in /proc/[0-9]*; do
		case ${process#/proc/} in
		1 | "$$" | "$BASHPID") ;;
		*)
			[[ $late ]] || say "Error R12 (Exit timeout) -> At least one process failed to exit within $grace_s seconds of SIGTERM"
			late=yes
			kill -KILL "${process#/proc/}" 2>/dev/null
			;;
		esac
	done
}

# Whether the OOM killer ended a process, by the container's control group of either version.
# Not every Docker reports it.
out_of_memory() {
	local events name count
	for events in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
		[[ ! -r $events ]] || while read -r name count; do
			[[ $name != oom_kill || $count == 0 ]] || return 0
		done <"$events"
	done
	return 1
}

# A web dyno is up once it answers, which `health.sh` says.
state() { if [[ $DYNO == web.* && ! -e /dev/shm/skypanel.chosen ]]; then printf starting; else printf up; fi; }

# shellcheck disable=SC2317 # the trap calls it
end() {
	say "State changed from $(state) to crashed"
	exit "$(</dev/shm/skypanel.ended)"
}

trap stop TERM
# If `health.sh` or the node's guard ends the dyno, it writes the exit status first.
trap end USR1 XFSZ
# Signals to all processes of a one-off dyno, and its terminal's keys, are for its command only.
[[ $source != -* ]] || trap '' HUP INT QUIT USR1 USR2 ALRM VTALRM PROF WINCH TSTP TTIN TTOU
echo $$ >/dev/shm/skypanel.pid

say "Starting process with command \`${!#}\`"
# Without <&0 the shell would give a background command /dev/null.
python3 -I -S -B /skypanel/enter.py "$source" "$@" <&0 &
app=$!
[[ $source != -* ]] || exec </dev/null
[[ $(state) != up ]] || say 'State changed from starting to up'

wait "$app"
status=$?
if [[ $told ]]; then
 # The signal ended the first wait.
	wait "$app"
	status=$?
 # 137 would be reported as a lack of memory.
	((status != 137)) || status=143
else
	if out_of_memory; then
		say 'Error R14 (Memory quota exceeded)'
		status=249
	fi
fi
say "Process exited with status $status"
[[ $told ]] || say "State changed from $(state) to crashed"
exit "$status"
