#!/usr/bin/env bash
# Runs .ci/run in a Debian that has nothing, as CI on a new machine does:  tests/debian/clean_clone.sh bookworm|trixie
#
# Needs root, debootstrap, systemd-container and the network. The tree is made once and kept under
# /var/tmp/b24bot-debian; every run starts from it untouched, in a container that forgets everything at the end.
# What runs is a fresh clone with this folder's uncommitted changes on top. The container shares the host's network
# (packages come through it), and the host's certificates and pip settings, where it has any: they only say how to
# reach the package index from here.
set -euo pipefail

CACHE=${B24BOT_DEBIAN_CACHE:-/var/tmp/b24bot-debian}
CLONE=

err() {
	printf 'Error: %s\nNext step: %s\n' "$1" "$2" >&2
	exit 1
}

need_cmd() { command -v "$1" >/dev/null 2>&1 || err "need '$1'" "apt-get install -y $2"; }

# The mirror that this host uses itself.
mirror() {
	local found
	found="$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -n 1)"
	printf '%s' "${found:-http://deb.debian.org/debian}"
}

make_tree() {
	local release="$1" tree="$CACHE/$1"
	[ ! -d "$tree" ] || return 0
	echo "== making a minimal $release in $tree"
	mkdir -p "$CACHE"
	rm -rf "$tree.part"
	debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,ca-certificates \
		"$release" "$tree.part" "$(mirror)"
	mv "$tree.part" "$tree"
}

# Everything that git would commit, on top of what it has committed.
make_clone() {
	local root="$1"
	git clone --quiet --no-hardlinks "$root" "$CLONE/repo"
	git -C "$root" ls-files -z --deleted | (cd "$CLONE/repo" && xargs -0r rm -f --)
	git -C "$root" ls-files -z --cached --others --exclude-standard |
		tar -C "$root" --null --ignore-failed-read --files-from=- -cf - 2>/dev/null | tar -C "$CLONE/repo" -xf -
	echo "== $(git -C "$root" rev-parse --short HEAD) and $(git -C "$CLONE/repo" status --short | wc -l) uncommitted files"
}

run_in() {
	local tree="$1" binds=(--bind-ro=/etc/ssl/certs)
	[ ! -e /etc/pip.conf ] || binds+=(--bind-ro=/etc/pip.conf)
	systemd-nspawn --quiet --directory="$tree" --volatile=overlay --register=no --keep-unit --console=pipe \
		--resolv-conf=copy-host "${binds[@]}" --bind="$CLONE/repo:/root/repo" --chdir=/root/repo \
		--setenv=CI=true /bin/bash .ci/run </dev/null
}

main() {
	local release="${1:-}" root
	case "$release" in
	bookworm | trixie) ;;
	*) err "which Debian?" "$0 bookworm|trixie" ;;
	esac
	[ "$(id -u)" -eq 0 ] || err 'making a system needs root' "sudo $0 $release"
	need_cmd debootstrap debootstrap
	need_cmd systemd-nspawn systemd-container
	root="$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)"
	CLONE="$(mktemp -d /var/tmp/b24bot-clone.XXXXXX)"
	trap 'rm -rf "$CLONE"' EXIT
	make_tree "$release"
	make_clone "$root"
	run_in "$CACHE/$release"
}

main "$@"
