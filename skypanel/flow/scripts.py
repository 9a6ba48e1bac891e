"""Scripts that the slug compiler runs with bash in a workspace.

To start and end a sandbox takes longer than most of these scripts, so related steps share one script.
"""

from skypanel.domain.buildpack import BUILDPACKS_DIRECTORY

MAX_FOLDERS = 60  # that are searched for an app

# Unpacks the source on its stdin, and copies the bundled buildpacks to a writable place.
UNPACK = f"""
set -e
tar --zstd -x -m -C /app
cp -r /buildpacks {BUILDPACKS_DIRECTORY}
"""
# Prints a file; fails if there is no such file.
FILE = 'test -f "$1" && exec cat "$1"'
# Replaces the source with one of its folders.
BASE = """
set -e
cd /app
folder=$(realpath -e -- "$1")
case $folder in
/app/*) [ -d "$folder" ] ;;
*) exit 1 ;;
esac
kept=$(mktemp -d -p /app .base-XXXXXX)
mv -T -- "$folder" "$kept/app"
find /app -mindepth 1 -maxdepth 1 ! -path "$kept" -exec rm -rf -- {} +
find "$kept/app" -mindepth 1 -maxdepth 1 -exec mv -t /app -- {} +
rm -rf "$kept"
"""
_DETECT = f"""
fitting() {{
    local name label
    for name in $1; do
        if label=$("{BUILDPACKS_DIRECTORY}/$name/bin/detect" "$2" 2>/dev/null); then
            printf '%s\\n%s\\n' "$name" "${{label%%$'\\n'*}}"
            return
        fi
    done
    printf '\\n\\n'
}}
"""
# Prints the name and the label of the first bundled buildpack that fits, or two empty lines. Then it prints the patterns that match a file.
DETECT = f"""{_DETECT}
fitting "$1" /app
shift
cd /app
for pattern in "$@"; do
    if compgen -G "$pattern" >/dev/null; then printf '%s\\n' "$pattern"; fi
done
"""
# Prints the folders that a bundled buildpack fits, each as its path, a tab, the label, and a NUL.
FOLDERS = f"""{_DETECT}
cd /app
find . -mindepth 1 -maxdepth 2 -type d ! -path '*/.*' ! -path '*/node_modules*' ! -name '*
*' -printf '%P\\n' | sort | head -n {MAX_FOLDERS} | while IFS= read -r folder; do
    label=$(fitting "$1" "/app/$folder" | tail -n 1)
    if [ -n "$label" ]; then printf '%s\\t%s\\0' "$folder" "$label"; fi
done
"""
# Empties a folder that holds more than the given number of bytes or files, and prints how many there were.
BOUND = """
read -r bytes _ < <(du -s -B1 "$1" 2>/dev/null)
read -r files _ < <(du -s --inodes "$1" 2>/dev/null)
((${bytes:-0} > $2 || ${files:-0} > $3)) || exit 0
chmod -R u+rwX "$1" 2>/dev/null
find "$1" -mindepth 1 -delete 2>/dev/null
echo "$bytes $files"
"""
# Takes a buildpack's URL, the ref to fetch, and the target folder.
FETCH = """
set -e
git init -q "$3"
cd "$3"
login='!f() { printf "username=%s\\npassword=%s\\n" "$BUILDPACK_USER" "$BUILDPACK_PASSWORD"; }; f'
git -c credential.helper="${BUILDPACK_USER:+$login}" fetch -q --depth 1 -- "$1" "$2"
git checkout -q FETCH_HEAD
"""
# Sources the `export` files of earlier buildpacks, then runs a program of this buildpack in its own folder.
RUN = f"""
cd "$1" || exit 1
program=$2
shift 2
for file in {BUILDPACKS_DIRECTORY}/*.export; do
    # shellcheck disable=SC1090
    [ -f "$file" ] && . "$file"
done
exec "$program" "$@"
"""
# Keeps `export` for later buildpacks, and prints the output of `bin/release`, which may be missing and may need `export`.
RELEASE = f"""
if [ -f export ]; then
    cp export {BUILDPACKS_DIRECTORY}/"$1".export || exit 1
    . ./export
fi
[ -x bin/release ] || exit 0
exec bin/release /app
"""
# Deletes the files that .slugignore matches, and prints how many; without a .slugignore it prints nothing.
SLUGIGNORE = """
set -e
[ -f /app/.slugignore ] || exit 0
git init -q /tmp/slugignore
git --git-dir /tmp/slugignore/.git --work-tree /app ls-files -z --others --ignored --exclude-from /app/.slugignore > /tmp/ignored
tr -cd '\\0' < /tmp/ignored | wc -c
cd /app
xargs -0 -r rm -f -- < /tmp/ignored
rm -rf /tmp/slugignore /tmp/ignored
"""
