# shellcheck shell=bash
# shellcheck disable=SC2154 # what bin/compile and other parts set; lower case, so that no config var can be one of them
# Trees kept between builds in cache_dir, each under a key that says what it was made of.

# Prints the SHA-256 of its arguments: files by their content, everything else by its text.
cache_key() {
	local part
	for part in "$@"; do
		if [[ -f $part ]]; then sha256sum <"$part"; else printf '%s\n' "$part"; fi
	done | sha256sum | cut -d ' ' -f 1
}

# Prints a digest of a buildpack's own files, so that a changed buildpack trusts no old cache.
buildpack_version() {
	find "$1" "$1/../lib" -type f ! -name export ! -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 cat | sha256sum | cut -d ' ' -f 1
}

# cache_restore NAME KEY TARGET: puts the tree at TARGET; fails if there is none of this key.
cache_restore() {
	local name=$1 key=$2 target=$3 kept
	read -r kept 2>/dev/null <"$cache_dir/$name.key" || return 1
	[[ $kept == "$key" && -d $cache_dir/$name ]] || return 1
	rm -rf "$target"
	mkdir -p "${target%/*}"
	cp -a "$cache_dir/$name" "$target"
}

# cache_save NAME KEY SOURCE: the key is written last, so that a build killed here leaves nothing half done.
# What does not fit is not kept: no build fails for want of space in a cache.
cache_save() {
	local name=$1 key=$2 source=$3
	rm -rf "${cache_dir:?}/$name.key" "${cache_dir:?}/$name" 2>/dev/null || true
	if mkdir -p "$cache_dir" 2>/dev/null && cp -a "$source" "$cache_dir/$name" 2>/dev/null; then
		printf '%s\n' "$key" 2>/dev/null >"$cache_dir/$name.key" && return
	fi
	rm -rf "${cache_dir:?}/$name.key" "${cache_dir:?}/$name" 2>/dev/null || true
	detail "Not kept for the next build: ${source##*/} does not fit into the build cache."
}
