#!/usr/bin/env bash
# Writes requirements.txt, requirements-dev.txt and those of tests/api and tests/clients from their .in files, with a hash of
# every file of each version.
# Versions stay as they are unless a .in file forbids them; `--upgrade` or `--upgrade-package NAME` asks for newer ones.
# The oldest supported Python (3.11) must run it: what only older ones need is then in the files too.
set -euo pipefail

# The comments of a .in file are the head of the .txt: the reasons and prices belong where integrators look.
put_head() {
	local file="$1"
	{
		printf '# Made by tests/packaging/lock.sh from %s.in; do not edit.\n#\n' "$file"
		sed -n '/^#/p; /^$/p' "$file.in" | cat -s
		printf '\n'
		cat "$file.txt.new"
	} >"$file.txt"
	rm "$file.txt.new"
}

lock() {
	local file="$1"
	shift
	cp "$file.txt" "$file.txt.new" 2>/dev/null || true
	.venv/bin/pip-compile --quiet --no-header --generate-hashes --allow-unsafe --strip-extras \
		--no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
		--output-file "$file.txt.new" "$@" "$file.in"
	put_head "$file"
}

main() {
	cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
	.venv/bin/python -c 'import piptools, sys; sys.exit(sys.version_info[:2] != (3, 11))' || {
		printf 'Error: .venv is not one of Python 3.11 with pip-tools\nNext step: PYTHON=python3.11 ./test.sh\n' >&2
		exit 1
	}
	# Only the public index decides: a local wheel directory could add hashes that nobody else can check.
	export PIP_CONFIG_FILE=/dev/null PIP_FIND_LINKS=''
	lock requirements "$@"
	lock requirements-dev "$@"
	lock tests/api/requirements "$@"
	lock tests/clients/requirements "$@"
}

main "$@"
