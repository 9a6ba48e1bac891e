# shellcheck shell=bash
# shellcheck disable=SC2154 # what bin/compile and other parts set; lower case, so that no config var can be one of them
# node_modules: installed in full for the build, then pruned to what runs.

install_dependencies() {
	local key
	warn_about_committed_modules
	if [[ -z ${package[dependencies]:-}${package[devDependencies]:-}${package[optionalDependencies]:-}${package[workspaces]:-}$lock ]]; then
		heading "No dependencies to install"
		return
	fi
	heading "Installing dependencies from ${lock:-package.json}"
	[[ -n $lock ]] || warn "There is no lock file, so two builds of one commit can differ." \
		"Run $manager install and commit the lock file that it writes."
	key=$(modules_key)
	if [[ -n $key ]] && cache_restore node-modules "$key" "$build_dir/node_modules"; then
		detail "Using cached node_modules: $lock is unchanged"
		return
	fi
	install_modules || fail_fetching "$manager could not install the dependencies; its own output is above." \
		"If the lock is out of date, run $manager install, commit ${lock:-the lock file} and push again."
	[[ -z $key || ! -d node_modules ]] || cache_save node-modules "$key" "$build_dir/node_modules"
}

warn_about_committed_modules() {
	[[ ! -d node_modules ]] || {
		warn "node_modules is committed; it is installed anew." \
			"Leave it out: git rm -r --cached node_modules && echo node_modules >> .gitignore"
		rm -rf node_modules
	}
}

# Prints what decides the content of node_modules as one digest, or nothing if more than locks and settings do.
modules_key() {
	local script
	[[ -n $lock && -z ${package[workspaces]:-} && ! -f pnpm-workspace.yaml && ! -f .pnpmfile.cjs ]] || return 0
	for script in preinstall install postinstall prepublish prepare; do
		[[ -z ${package[scripts.$script]:-} ]] || return 0
	done
	! grep -Eq '"link": true|\b(file|link|portal|patch):' "$lock" package.json || return 0
	! is_pnp || return 0
	cache_key package.json "$lock" .npmrc .yarnrc .yarnrc.yml "$node_version" "$manager $manager_version" "${STACK:-}" "$NODE_ENV" \
		"$build_dir" "$(buildpack_version "$buildpack")"
}

install_modules() {
	local frozen=${lock:+--frozen-lockfile}
	case $manager in
		npm) indented npm "$(if [[ -n $lock ]]; then echo ci; else echo install; fi)" --include=dev ;;
		pnpm) stored_pnpm install "${frozen:---no-frozen-lockfile}" --prod=false ;;
		yarn) if is_berry; then install_berry; else classic_yarn ${frozen:+"$frozen"} --production=false; fi ;;
	esac
}

# CI: pnpm and Yarn ask nothing then.
stored_pnpm() { CI=true NPM_CONFIG_STORE_DIR=$HOME/pnpm PNPM_CONFIG_STORE_DIR=$HOME/pnpm indented pnpm "$@"; }

classic_yarn() { indented yarn install --non-interactive --cache-folder "$HOME/yarn" "$@"; }

# With Plug'n'Play the packages run from Yarn's cache, which then has to be in the slug.
install_berry() {
	local global=true
	! is_pnp || global=false
	[[ -z ${NPM_CONFIG_REGISTRY:-} ]] || export YARN_NPM_REGISTRY_SERVER=$NPM_CONFIG_REGISTRY
	if [[ -z $lock ]]; then export YARN_ENABLE_IMMUTABLE_INSTALLS=false; fi
	YARN_ENABLE_GLOBAL_CACHE=$global CI=true indented yarn install
}

is_pnp() { [[ $linker == pnp ]]; }

build_app() {
	if [[ -n ${package[scripts.heroku-postbuild]:-} ]]; then run_script heroku-postbuild; else run_script build; fi
}

run_script() {
	[[ -n ${package[scripts.$1]:-} ]] || return 0
	heading "Running the script $1"
	indented "$manager" run "$1" || fail "The script $1 in package.json failed; its output is above." \
		"Try it with: $manager run $1" "Then commit and push again."
}

prune_dependencies() {
	[[ -n ${package[devDependencies]:-} && $NODE_ENV == production && ${NPM_CONFIG_PRODUCTION:-true} == true ]] || return 0
	heading "Pruning devDependencies"
	prune_modules || fail_fetching "$manager could not prune devDependencies; its own output is above." \
		"Set the config var NPM_CONFIG_PRODUCTION to false to keep them."
}

prune_modules() {
	case $manager in
		npm) indented npm prune --omit=dev --ignore-scripts ;;
		pnpm) stored_pnpm prune --prod --ignore-scripts ;;
		yarn) if is_berry; then prune_berry; else prune_classic; fi ;;
	esac
}

prune_classic() { classic_yarn ${lock:+--frozen-lockfile} --production=true --ignore-scripts --prefer-offline; }

prune_berry() {
	if [[ $(yarn --version) =~ ^[23]\. ]]; then
		detail "Passed over: Yarn 2 and 3 cannot prune without a plugin."
	else
		YARN_ENABLE_GLOBAL_CACHE=$(if is_pnp; then echo false; else echo true; fi) indented yarn workspaces focus --all --production
	fi
}
