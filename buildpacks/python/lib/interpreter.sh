# shellcheck shell=bash
# shellcheck disable=SC2154 # what bin/compile and other parts set; lower case, so that no config var can be one of them
# Which Python an app gets: the stack's own where one fits, else one from the runtime mirror.

# Sets `python_version` and `interpreter`.
choose_interpreter() {
	local index=$cache_dir/python-index.json chosen fields url sha256 reason
	fetch_index "$index"
	chosen=$(/usr/bin/python3 "$buildpack/lib/choose_python.py" "$build_dir" "$index") || exit 1
	mapfile -t fields <<<"$chosen"
	python_version=${fields[0]} interpreter=${fields[1]} url=${fields[2]} sha256=${fields[3]} reason=${fields[4]}
	heading "Using Python $python_version: $reason"
	detail "To pin a version, write it into .python-version, such as ${python_version%.*}"
	[[ -n $interpreter ]] || unpack_interpreter "$url" "$sha256"
}

fetch_index() {
	local file=$1
	rm -f "$file"
	[[ -n ${SKYPANEL_RUNTIME_MIRROR:-} ]] || return 0
	fetch "$SKYPANEL_RUNTIME_MIRROR/python/index.json" "$file" ||
		warn "The runtime mirror has no list of Python versions, so only the stack's own can be used."
}

unpack_interpreter() {
	local url=$1 sha256=$2 folder=$build_dir/.heroku/python-runtime
	local archive=$cache_dir/runtimes/python-$sha256.tar
	[[ $url == *://* || $url == /* ]] || url=$SKYPANEL_RUNTIME_MIRROR/python/$url
	if matches_sha256 "$archive" "$sha256"; then
		detail "Using cached Python $python_version"
	else
		detail "Downloading Python $python_version"
	fi
	fetch_verified "$url" "$sha256" "$archive"
	unpack "$archive" "$folder"
	interpreter=$folder/bin/python${python_version%.*}
	[[ -x $interpreter ]] || fail "The archive of Python $python_version has no bin/python${python_version%.*}." \
		"Tell whoever runs this panel."
}
