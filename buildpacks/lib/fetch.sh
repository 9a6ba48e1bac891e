# shellcheck shell=bash
# Downloads that are what they claim to be.

# fetch SOURCE FILE: SOURCE is a URL or a path.
fetch() {
	local source=$1 file=$2
	case $source in
		http://* | https://*) curl --fail --silent --show-error --location --retry 3 --connect-timeout 10 --output "$file" "$source" ;;
		*) cp -- "${source#file://}" "$file" ;;
	esac
}

matches_sha256() { [[ -f $1 ]] && sha256sum --check --status <<<"$2  $1" 2>/dev/null; }

# fetch_verified SOURCE SHA256 FILE: FILE is kept if it is already the right one.
fetch_verified() {
	local source=$1 sha256=$2 file=$3
	matches_sha256 "$file" "$sha256" && return
	mkdir -p "${file%/*}"
	fetch "$source" "$file.part" || fail "$source could not be downloaded." "Push again; if it stays so, tell whoever runs this panel."
	matches_sha256 "$file.part" "$sha256" || {
		rm -f "$file.part"
		fail "$source is not the file that its index promises (SHA-256 $sha256)." "Tell whoever runs this panel."
	}
	mv "$file.part" "$file"
}

# unpack ARCHIVE FOLDER: a tar of any compression, with or without a folder around its content.
unpack() {
	local archive=$1 folder=$2 inner
	rm -rf "$folder"
	mkdir -p "$folder"
	tar --extract --file "$archive" --directory "$folder" --no-same-owner
	inner=("$folder"/*)
	if [[ ${#inner[@]} -eq 1 && -d ${inner[0]} && ! -d $folder/bin ]]; then
		mv "${inner[0]}"/* "$folder/"
		rmdir "${inner[0]}" 2>/dev/null || rm -rf "${inner[0]}"
	fi
}
