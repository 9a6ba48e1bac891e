# shellcheck shell=bash
# Sourced when a dyno starts: how many workers a web server should have, unless the user says.
# WEB_MEMORY is what one worker is expected to need, in MB.

__skypanel_memory_mb() {
	local file bytes
	for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
		read -r bytes 2>/dev/null <"$file" || continue
		if [[ $bytes =~ ^[0-9]{1,13}$ ]]; then
			echo $((bytes / 1048576))
			return
		fi
	done
	echo 512
}

if [[ -z ${WEB_CONCURRENCY:-} ]]; then
	WEB_CONCURRENCY=$(($(__skypanel_memory_mb) / ${WEB_MEMORY:-256}))
	__skypanel_most=$(($(nproc) * 2 + 1))
	((WEB_CONCURRENCY <= __skypanel_most)) || WEB_CONCURRENCY=$__skypanel_most
	((WEB_CONCURRENCY >= 1)) || WEB_CONCURRENCY=1
	export WEB_CONCURRENCY
	unset __skypanel_most
fi
unset -f __skypanel_memory_mb
