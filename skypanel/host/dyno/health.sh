#!/usr/bin/env bash
# One health check of a dyno. The script waits by itself: the first check until the app answers, each later one
# for the app's interval. Starting a process in a container costs more than the whole check.
# health.sh BOOT_S: if the app does not answer within so many seconds, the dyno ends with a status that says why:
#   251  it listens nowhere    252  it listens where the proxy cannot reach it    253  it answers with a server error
boot_s=$1
port=${PORT:?}
told=/dev/shm/skypanel.health
chosen=/dev/shm/skypanel.chosen
failed=/dev/shm/skypanel.failed
ended=/dev/shm/skypanel.ended
pid=/dev/shm/skypanel.pid
elsewhere=/dev/shm/skypanel.elsewhere
first_answer_s=20
answer_s=10
max_failures=3

say() {
	printf '[skypanel] %s\n' "$1" 2>/dev/null >/proc/1/fd/1
	printf '%s\n' "$1"
}

# The address at which the proxy reaches this dyno. An app that listens only on 127.0.0.1 does not answer there.
own_address() {
	local address name
	while read -r address name _; do
		[[ $name != "$HOSTNAME" ]] || { printf '%s' "$address"; return; }
	done </etc/hosts
}

# shellcheck disable=SC2016 # the inner shell's variables
connects() { timeout 2 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$port" 2>/dev/null; }

# Prints a dash once it is connected, then the status of the answer for the path, if that is HTTP.
# Reads the whole answer, because an app may log an error if its client disconnects.
# shellcheck disable=SC2016 # the inner shell's variables
ask() {
	timeout "$1" bash -c '
		exec 3<>"/dev/tcp/$0/$1" || exit
		printf -
		printf "GET %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: skypanel-health\r\nConnection: close\r\n\r\n" "$2" >&3
		read -r version status _ <&3
		if [[ $version == HTTP/* ]]; then printf %s "$status"; fi
		cat <&3 >/dev/null
	' "$address" "$port" "$path" 2>/dev/null
}

# Chooses the check: of the path, or of the port if the app has no such page.
choose() {
	local answer
	answer=$(ask "$first_answer_s")
	case $answer in
	'') return 1 ;;
	-[23]??) choice=http ;;
	-5??) answered=${answer#-} && return 1 ;;
	*) choice=tcp ;;
	esac
}

start() {
	local deadline=$((SECONDS + boot_s)) choice answered='' status=251 watching=
	until choose; do
		if [[ ! $watching ]]; then
			python3 -I -S -B /skypanel/elsewhere.py "$port" >"$elsewhere" 2>/dev/null &
			watching=$!
		fi
		if [[ $answered ]]; then
			note 253 "Answers $path with status $answered"
		elif [[ -s $elsewhere ]]; then
			note 252 "$(<"$elsewhere")"
			give_up
		fi
		if ((SECONDS >= deadline)); then
			say "Error R10 (Boot timeout) -> Web process failed to bind to \$PORT within $boot_s seconds of launch"
			say "Did not become healthy within $boot_s s"
			give_up
		fi
		sleep 0.1
	done
	[[ ! $watching ]] || kill "$watching" 2>/dev/null
	printf '%s\n' "$choice" >"$chosen"
	say 'State changed from starting to up'
	case $choice in
	http) say "Checks the health at $path every $interval_s s" ;;
	tcp) say "Checks the health at port $port every $interval_s s: $path is not there" ;;
	esac
}

note() {
	[[ $status == "$1" ]] || say "$2"
	status=$1
}

# Ends the dyno through its first process. The result of this check no longer matters, so it waits to be killed.
give_up() {
	printf '%s\n' "$status" >"$ended"
	kill -USR1 "$(<"$pid")"
	sleep 60
	exit 1
}

well() {
	local choice
	read -r choice <"$chosen"
	if [[ $choice == tcp ]]; then
		connects "$address"
	else
		[[ $(ask "$answer_s") == -[23]?? ]]
	fi
}

until [[ -s $told ]]; do sleep 0.05; done
read -r path interval_s <"$told"
address=$(own_address)
if [[ ! -e $chosen ]]; then
	start
	exit
fi
sleep "$interval_s"
if well; then
	rm -f "$failed"
	exit 0
fi
printf x >>"$failed"
failures=$(wc -c <"$failed")
say "Health check failed, $failures of $max_failures in a row"
((failures < max_failures))
