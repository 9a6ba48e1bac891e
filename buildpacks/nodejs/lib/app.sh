# shellcheck shell=bash
# shellcheck disable=SC2154 # what bin/compile and other parts set; lower case, so that no config var can be one of them
# The environment at run time, and advice.

write_profile() {
	mkdir -p .profile.d
	cp "$buildpack/../lib/web_concurrency.sh" .profile.d/nodejs_web_concurrency.sh
	cat >.profile.d/nodejs.sh <<'PROFILE'
export PATH="$HOME/.heroku/node/bin:$PATH:$HOME/bin:$HOME/node_modules/.bin"
export NODE_ENV="${NODE_ENV:-production}"
export NPM_CONFIG_UPDATE_NOTIFIER="${NPM_CONFIG_UPDATE_NOTIFIER:-false}"
export WEB_MEMORY="${WEB_MEMORY:-512}"
PROFILE
	cat >"$buildpack/export" <<EXPORT
export PATH="$runtime/bin:\$PATH:$build_dir/node_modules/.bin"
export NODE_ENV="\${NODE_ENV:-production}"
EXPORT
}

advise() {
	[[ -f Procfile || -f server.js || -n ${package[scripts.start]:-} ]] ||
		warn "Nothing says how the app starts." "Add a start script to package.json, or a Procfile with a line such as web: node index.js"
	advise_on_python
}

advise_on_python() {
	local file
	[[ ! -f .buildpacks && -z ${BUILDPACK_URL:-} ]] || return 0
	for file in requirements.txt uv.lock poetry.lock Pipfile; do
		[[ ! -f $file ]] || {
			warn "There is $file too, but package.json decides: this is built as a Node.js app alone." \
				"For both, add a file .buildpacks with two lines, nodejs and python; for Python alone, with the one line python."
			return
		}
	done
}
