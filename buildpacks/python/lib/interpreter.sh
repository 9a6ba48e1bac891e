# shellcheck shell=bash
# shellcheck disable=SC2154 # what bin/compile and other parts set; lower case, so that no config var can be one of them
# Which Python an app gets: the stack's own where one fits, else one that the panel brought.

readonly brought=/tmp/runtimes/python uv=/tools/uv

# Sets `python_version` and `interpreter`.
choose_interpreter() {
	local chosen fields reason
	chosen=$(/usr/bin/python3 "$buildpack/lib/choose_python.py" "$build_dir" "$brought/offered.json") || exit 1
	mapfile -t fields <<<"$chosen"
	python_version=${fields[0]} interpreter=${fields[1]} reason=${fields[2]}
	heading "Using Python $python_version: $reason"
	detail "To pin a version, write it into .python-version, such as ${python_version%.*}"
	[[ -n $interpreter ]] || install_interpreter
}

# uv checks the archive's digest, and puts right what in it depends on where it stands.
install_interpreter() {
	local folder=$build_dir/.heroku/python-runtime key output=$HOME/python.txt
	key=cpython-$python_version-linux-$(uname -m)-gnu
	[[ ! -f $brought/download-metadata.json ]] || export UV_PYTHON_DOWNLOADS_JSON_URL=$brought/download-metadata.json
	UV_PYTHON_CACHE_DIR=$brought UV_PYTHON_DOWNLOADS=manual "$uv" python install --offline --no-config --no-progress --no-bin --no-cache \
		--install-dir "$folder" "$key" >"$output" 2>&1 || {
		indent <"$output"
		fail "Python $python_version could not be installed." "Push again; if it stays so, tell whoever runs this panel."
	}
	unset UV_PYTHON_DOWNLOADS_JSON_URL
	rm -rf "$folder/.temp" "$folder/.lock" "$brought"
	interpreter=$folder/$key/bin/python${python_version%.*}
}
