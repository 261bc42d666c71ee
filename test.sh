#!/usr/bin/env bash
# From a fresh clone to every check passed: makes .venv with the pinned tools, then runs ./check.sh.
#
#   ./test.sh                        everything
#   ./test.sh tests/unit -k retry    only these tests: all arguments go to pytest
#   PYTHON=python3.13 ./test.sh      with another interpreter (3.11 or newer)
#
# Safe to run again, and from two terminals: .venv is made anew only when the interpreter or a requirement changed.
set -euo pipefail

err() {
	printf 'Error: %s\nNext step: %s\n' "$1" "$2" >&2
	exit 1
}

need_python() {
	local python="$1" version
	version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" ||
		err "there is no $python here" 'apt-get install -y python3 python3-venv'
	"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
		err "$python is Python $version; 3.11 or newer is needed" \
			"apt-get install -y python3 python3-venv on Debian 12 or newer; or PYTHON=python3.13 ./test.sh"
	# Debian's python3 alone has venv but not ensurepip, and then leaves half an environment behind.
	"$python" -c 'import ensurepip, venv' 2>/dev/null ||
		err "$python cannot make virtual environments" "apt-get install -y python$version-venv"
}

# What the environment is made from. Another checksum: make it anew.
stamp() {
	{
		"$1" -c 'import sys; print(sys.version, sys.base_prefix)'
		pwd
		cat requirements-dev.txt tests/api/requirements.txt tests/clients/requirements.txt
	} | sha256sum | cut -d' ' -f1
}

venv_with() {
	local python="$1" folder="$2" requirements="$3"
	"$python" -m venv --clear "$folder" || err "$python could not make $folder" 'see the message above'
	"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
		--require-hashes --only-binary=:all: -r "$requirements" ||
		err 'the pinned packages could not be installed' 'check the network, then run ./test.sh again'
}

make_venv() {
	local python="$1" stamp="$2"
	echo "== making .venv with $("$python" --version)"
	venv_with "$python" .venv requirements-dev.txt
	# Programs that tests start; apart, because of all that they bring along.
	venv_with "$python" .venv/api tests/api/requirements.txt
	venv_with "$python" .venv/clients tests/clients/requirements.txt
	printf '%s\n' "$stamp" >.venv/stamp
}

main() {
	local python="${PYTHON:-python3}" stamp
	cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
	need_python "$python"
	stamp="$(stamp "$python")"
	# The lock is the folder itself: no file is left behind, and it goes with the process.
	exec 9<.
	flock 9
	[ "$(cat .venv/stamp 2>/dev/null || true)" = "$stamp" ] || make_venv "$python" "$stamp"
	exec 9<&-
	exec ./check.sh "$@"
}

main "$@"
