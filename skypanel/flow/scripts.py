"""What the slug compiler has bash do in a workspace.

A sandbox takes longer to come and go than most of these run: what belongs together is one script.
"""

from skypanel.domain.buildpack import BUILDPACKS_DIRECTORY

# Unpacks the source that it reads, and copies the bundled buildpacks to where they can be written to.
UNPACK = f"""
set -e
tar --zstd -x -m -C /app
cp -r /buildpacks {BUILDPACKS_DIRECTORY}
"""
# Prints a file, if it is one.
FILE = 'test -f "$1" && exec cat "$1"'
# Prints the name and the label of the first of some bundled buildpacks that fits.
DETECT = f"""
for name in "$@"; do
    if label=$("{BUILDPACKS_DIRECTORY}/$name/bin/detect" /app); then
        printf '%s\\n%s\\n' "$name" "$label"
        exit 0
    fi
done
"""
# A buildpack's URL, what of it, and where to.
FETCH = """
set -e
git init -q "$3"
cd "$3"
login='!f() { printf "username=%s\\npassword=%s\\n" "$BUILDPACK_USER" "$BUILDPACK_PASSWORD"; }; f'
git -c credential.helper="${BUILDPACK_USER:+$login}" fetch -q --depth 1 -- "$1" "$2"
git checkout -q FETCH_HEAD
"""
# `export` files of the buildpacks before this one are sourced, then a program of its runs in its own folder.
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
# Keeps `export` for the buildpacks after this one, and prints what `bin/release` does: it may be missing, and it may need `export`.
RELEASE = f"""
if [ -f export ]; then
    cp export {BUILDPACKS_DIRECTORY}/"$1".export || exit 1
    . ./export
fi
[ -x bin/release ] || exit 0
exec bin/release /app
"""
# Prints how many files it deletes; nothing without a .slugignore.
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
