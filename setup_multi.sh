#!/usr/bin/env bash
# b24bot on a Debian server: installs what is missing, then makes one instance. Safe to run again.
#
#   sudo ./setup_multi.sh                                                        asks what it needs
#   sudo ./setup_multi.sh --instance shop-1 --domain bots.example.ru --yes       asks nothing
#   sudo ./setup_multi.sh --help
#
# Decisions live in `botctl INSTANCE create`; here are only the packages, the release and the command itself.
set -euo pipefail
umask 022

ROOT="${B24BOT_ROOT:-}" # a staging directory for image builds; '' on a server
OPT="$ROOT/opt/b24bot"
BOTCTL="$ROOT/usr/local/bin/botctl"
INSTALLED="$OPT/packages"      # the packages that came with us: they go with us
INSTALLING="$OPT/packages.new" # what was there before we began to install; gone when that is done
PYTHON=/usr/bin/python3
PRODUCT=(python_bot systemd templates requirements.txt setup_multi.sh LICENSE README.md README.ru.md CHANGELOG.md)
WITH_VALUE=' domain duckdns-domain duckdns-token-file client-id client-secret-file portal lines answers token-file tls tls-cert tls-key acme-email acme-server '
temporary='' # removed at the end
SWITCHES=' single plan yes allow-mixed-scripts no-nginx '

say() { # English, Russian
	case "${LC_ALL:-${LC_MESSAGES:-${LANG:-}}}" in
	ru*) printf '%s\n' "$2" ;;
	*) printf '%s\n' "$1" ;;
	esac
}

err() { # what happened, in English and Russian, and the next step
	{
		printf '%s' "$(say 'Error: ' 'Ошибка: ')"
		say "$1" "$2"
		printf '%s%s\n' "$(say 'Next step: ' 'Дальше: ')" "$3"
	} >&2
	exit "${4:-1}"
}

usage() {
	cat <<'HELP'
Usage: setup_multi.sh [--instance NAME] [options]

Without options on a terminal it asks. With them it asks only for what is missing, with --yes for nothing.

  --instance NAME              name of the instance: a-z, 0-9 and '-', up to 24 characters
  --domain NAME                its domain, pasted as it is (https://Пример.РФ/ too)
  --duckdns-domain NAME        instead of --domain: a name at DuckDNS, kept leading to this server
  --duckdns-token-file FILE    its token (or DUCKDNS_TOKEN in the environment)
  --portal HOST                the portal that may install the application
  --client-id ID               of the local application in the portal
  --client-secret-file FILE    its secret (or CLIENT_SECRET in the environment)
  --token-file FILE            token of the API (or API_SECRET_TOKEN in the environment); else one is made
  --lines none|all|3,7         open lines to attach the bot to
  --single                     the only one on its domain: served without the instance's name in the path
  --tls acme                   HTTPS with a certificate that certbot gets and renews; later too. --tls off: HTTP again
  --acme-email ADDRESS         yours, for the account with the authority
  --acme-server URL            the authority's directory, when it is not Let's Encrypt
  --tls-cert FILE --tls-key FILE   HTTPS with your own certificate
  --answers FILE               NAME=value a line: any of the above, and any setting of the instance
  --plan                       show what would change, and change nothing
  --yes                        ask nothing
  --no-nginx                   leave nginx alone: another proxy serves this instance
  --allow-mixed-scripts        accept a domain that mixes alphabets
  --no-instance                only install or renew the software
  --uninstall                  remove the software again, when no instance is left

Examples:
  sudo ./setup_multi.sh --instance shop-1 --domain bots.example.ru --portal acme.bitrix24.ru
  sudo ./setup_multi.sh --instance shop-1 --domain bots.example.ru --plan
HELP
}

# --- what to do ------------------------------------------------------------------------------------------------

# Sets instance, mode, plan, yes and pass (what `botctl create` gets). A wrong flag stops us before anything changes.
read_flags() {
	while [ $# -gt 0 ]; do
		local name="${1#--}"
		case "$1" in
		-h | --help)
			usage
			exit 0
			;;
		--*=*)
			local flag="${1%%=*}" value="${1#*=}"
			shift
			set -- "$flag" "$value" "$@"
			continue
			;;
		--instance)
			[ $# -gt 1 ] || err '--instance needs a name' 'после --instance нужно имя' './setup_multi.sh --help' 2
			instance="$2"
			shift
			;;
		--no-instance) mode=software ;;
		--uninstall) mode=uninstall ;;
		--*) pass_flag "$name" "${@:2}" && shift ;;
		*) err "what is '$1'?" "что такое '$1'?" './setup_multi.sh --help' 2 ;;
		esac
		shift
	done
}

# Succeeds when the flag took the next word as its value.
pass_flag() {
	local name="$1"
	if [[ "$SWITCHES" == *" $name "* ]]; then
		[ "$name" != plan ] || plan=1
		[ "$name" != yes ] || yes=1
		pass+=("--$name")
		return 1
	fi
	[[ "$WITH_VALUE" == *" $name "* ]] ||
		err "there is no option --$name" "нет такого параметра: --$name" './setup_multi.sh --help' 2
	[ $# -gt 1 ] || err "--$name needs a value" "после --$name нужно значение" './setup_multi.sh --help' 2
	[ "$name" != answers ] || [ -n "$instance" ] || instance="$(instance_in "$2")"
	pass+=("--$name" "$2")
}

instance_in() { sed -n "s/^ *\(B24BOT_\)\?INSTANCE=[\"']\?\([a-z0-9-]*\).*/\2/p" "$1" 2>/dev/null | tail -n 1; }

need_instance() {
	[ -z "$instance" ] || return 0
	if [ -n "$yes$plan" ] || [ ! -t 0 ]; then
		err '--instance is missing' 'не указан --instance' './setup_multi.sh --instance NAME …' 2
	fi
	while ! is_name "$instance"; do
		[ -z "$instance" ] || say "'$instance' is no name for an instance: up to 24 characters, no '-' at the ends" \
			"'$instance' не годится: до 24 знаков, без '-' по краям" >&2
		printf '%s' "$(say "Name of the instance (a-z, 0-9, '-'), for example shop-1: " \
			"Имя экземпляра (a-z, 0-9, '-'), например shop-1: ")" >&2
		read -r instance || exit 130
	done
}

is_name() { # in other locales a-z holds more letters
	(LC_ALL=C && [[ "$1" =~ ^[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?$ ]])
}

check_instance() {
	is_name "$instance" ||
		err "'$instance' is no name for an instance: a-z, 0-9 and '-', up to 24 characters, no '-' at the ends" \
			"'$instance' не годится: a-z, 0-9 и '-', до 24 знаков, без '-' по краям" './setup_multi.sh --help' 2
}

# --- the ground ------------------------------------------------------------------------------------------------

# Tests kill us after each of our steps.
stop_for_tests() { [ "${B24BOT_TEST_STOP_AFTER:-}" != "$1" ] || kill -KILL $$; }

os_release() { sed -n "s/^$1=\"\?\([^\"]*\)\"\?$/\1/p" /etc/os-release 2>/dev/null; }

check_ground() {
	local id='' id_like='' version=''
	[ -n "$ROOT" ] || [ "$(id -u)" -eq 0 ] || [ -n "$plan" ] ||
		err 'this changes the server and needs root' 'нужны права root' "sudo $0 …"
	id="$(os_release ID)"
	id_like="$(os_release ID_LIKE)"
	version="$(os_release VERSION_ID)"
	[[ " $id $id_like " == *' debian '* ]] || err "this is no Debian: ${id:-unknown}" "это не Debian: ${id:-unknown}" \
		'use Debian 12 or newer'
	[ "$id" != debian ] || [ -z "$version" ] || [ "${version%%.*}" -ge 12 ] || err "Debian $version is too old" "Debian $version устарел" \
		'use Debian 12 or newer'
}

good_python() { "$PYTHON" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

missing_packages() {
	[ ! -e "$INSTALLING" ] || sed -n 's/^install //p' "$INSTALLING" # unpacked perhaps, but not set up
	good_python || echo 'python3 python3-venv'
	[ -s /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
	if [[ " ${pass[*]} " != *' --no-nginx '* ]]; then
		command -v nginx >/dev/null || echo nginx
	fi
	! wants_acme || command -v certbot >/dev/null || echo certbot
}

wants_acme() { # by a flag or in the answers
	local position
	for ((position = 0; position + 1 < ${#pass[@]}; position++)); do
		case "${pass[position]} ${pass[position + 1]}" in
		'--tls acme') return 0 ;;
		'--answers '*) grep -qE "^ *TLS=[\"']?acme[\"']? *$" "${pass[position + 1]}" 2>/dev/null && return 0 ;;
		esac
	done
	return 1
}

installed_packages() { dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | sed -n 's/^ii *//p' | sort; }

install_packages() {
	say "Installing the packages: $*" "Устанавливаю пакеты: $*"
	mkdir -p "$OPT"
	if [ ! -e "$INSTALLING" ]; then
		(echo "install $*" && installed_packages) >"$INSTALLING.part"
		mv -T "$INSTALLING.part" "$INSTALLING"
	fi
	export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a
	[ -z "$(dpkg --audit)" ] || dpkg --configure -a >/dev/null # a power cut, perhaps our own
	apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 update >/dev/null ||
		err 'the package lists could not be fetched' 'не удалось получить списки пакетов' 'apt-get update'
	apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 install "$@" >/dev/null ||
		err "apt-get could not install: $*" "apt-get не смог установить: $*" "apt-get install $*"
	stop_for_tests packages
	comm -13 <(sed '/^install /d' "$INSTALLING") <(installed_packages) >>"$INSTALLED"
	rm "$INSTALLING"
}

# --- the release -----------------------------------------------------------------------------------------------

version_of() { sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$1/python_bot/__init__.py"; }

# Changes when any file of the product does.
checksum_of() {
	(
		cd "$1"
		find "${PRODUCT[@]}" -type f ! -name '*.pyc' -print0 2>/dev/null | LC_ALL=C sort -z | xargs -0 sha256sum
	) | sha256sum | cut -c1-64
}

# The name under which this checkout is installed, or would be. A release never changes: another content under the
# same version (a developer's checkout) gets a name of its own.
release_name() {
	local version="$1" checksum="$2" taken
	taken="$(cat "$OPT/releases/$version/.checksum" 2>/dev/null || true)"
	if [ -z "$taken" ] || [ "$taken" = "$checksum" ]; then echo "$version"; else echo "$version+${checksum:0:8}"; fi
}

make_environment() { # where; where it will be in the end
	local new="$1" final="$2" file
	"$PYTHON" -m venv "$new/.venv" || err 'the environment could not be made' 'не удалось создать окружение' \
		'apt-get install python3-venv'
	"$new/.venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --no-compile --no-cache-dir \
		--require-hashes --only-binary=:all: -r "$new/requirements.txt" ||
		err 'the Python packages could not be installed' 'не удалось установить пакеты Python' \
			'check the network, then run the same command again'
	"$new/.venv/bin/python" -m pip uninstall --quiet --yes pip setuptools 2>/dev/null || true
	rm -f "$new"/.venv/bin/{activate*,Activate*}
	for file in "$new"/.venv/bin/* "$new/.venv/pyvenv.cfg"; do
		[ -L "$file" ] || sed -i "s|$new|$final|g" "$file"
	done
	# The package is found from the environment itself, wherever that lies: no PYTHONPATH, no current directory.
	for file in "$new"/.venv/lib/python3*/site-packages; do echo ../../../.. >"$file/b24bot.pth"; done
	"$new/.venv/bin/python" -m compileall -q -s "$new" -p "$final" "$new/python_bot" "$new/.venv/lib"
}

# After an upgrade of Debian the environment of a release may have lost its interpreter.
works() { "$1/.venv/bin/python" -I -c 'import flask, python_bot.cli.main' 2>/dev/null; }

install_release() {
	local source="$1" version checksum release final new
	version="$(version_of "$source")"
	checksum="$(checksum_of "$source")"
	release="$(release_name "$version" "$checksum")"
	final="$OPT/releases/$release"
	if [ "$(cat "$final/.checksum" 2>/dev/null || true)" != "$checksum" ] || ! works "$final"; then
		say "Installing release $release" "Устанавливаю выпуск $release"
		new="$OPT/releases/.$release.new" # no name for a release: whoever looks for one passes it over
		temporary="$new"
		rm -rf "$new"
		mkdir -p "$new"
		(cd "$source" && find "${PRODUCT[@]}" -name __pycache__ -prune -o -type f ! -name '*.pyc' -print0 2>/dev/null |
			tar --null --files-from=- --owner=0 --group=0 --mode=u+rw,go+r,go-w -cf -) | tar -C "$new" -xf -
		chmod -R u=rwX,go=rX "$new"
		stop_for_tests release
		make_environment "$new" "${final#"$ROOT"}"
		stop_for_tests venv
		printf '%s\n' "$checksum" >"$new/.checksum"
		sync -f "$new" # a power cut must not leave a whole directory of empty files
		rm -rf "$new.old"
		temporary=''                                   # from here on it is worth keeping
		[ ! -e "$final" ] || mv -T "$final" "$new.old" # instances that run it have it open
		mv -T "$new" "$final"
		rm -rf "$new.old"
		stop_for_tests whole
	fi
	if [ "$(readlink "$OPT/current" 2>/dev/null || true)" != "releases/$release" ]; then
		ln -sfn "releases/$release" "$OPT/.current.new"
		stop_for_tests link
		mv -T "$OPT/.current.new" "$OPT/current"
	fi
	stop_for_tests current
	install_command
}

install_command() {
	local text
	# -I: neither the directory that root happens to stand in nor the environment decides what is imported.
	# shellcheck disable=SC2016 # expanded when botctl runs
	text='#!/bin/sh
# Made by setup_multi.sh: operates the b24bot instances of this server.
exec "${B24BOT_ROOT:-}/opt/b24bot/current/.venv/bin/python" -I -m python_bot.cli "$@"'
	[ "$(cat "$BOTCTL" 2>/dev/null || true)" != "$text" ] || return 0
	[ ! -e "$BOTCTL" ] || grep -q 'Made by setup_multi.sh' "$BOTCTL" ||
		err "$BOTCTL belongs to something else" "$BOTCTL принадлежит чему-то другому" "mv $BOTCTL $BOTCTL.old"
	mkdir -p "${BOTCTL%/*}"
	printf '%s\n' "$text" >"$BOTCTL.new"
	chmod 755 "$BOTCTL.new"
	stop_for_tests command
	mv -T "$BOTCTL.new" "$BOTCTL"
}

# --- the verbs -------------------------------------------------------------------------------------------------

install_software() {
	local missing=()
	if [ -z "$ROOT" ]; then
		exec 9>/run/b24bot-setup.lock # never deleted: a deleted lock would lock nobody out
		flock 9
		mapfile -t missing < <(missing_packages | tr ' ' '\n')
		[ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
	fi
	good_python || err "$PYTHON is older than 3.11 or has no ensurepip" "$PYTHON старше 3.11 или без ensurepip" \
		'apt-get install python3 python3-venv'
	install_release "$1"
	exec 9>&-
}

# Nothing is changed: what is not installed yet is told, and the instance's plan is made by a passing environment.
show_plan() {
	local source="$1" missing python=''
	missing="$(missing_packages | tr '\n' ' ')"
	[ -z "$missing" ] || say "Packages to install: $missing" "Пакеты к установке: $missing"
	if [ -x "$OPT/current/.venv/bin/python" ]; then
		python="$OPT/current/.venv/bin/python"
	else
		say "Release to install: $OPT/releases/$(version_of "$source"); command: $BOTCTL" \
			"Будет установлен выпуск $OPT/releases/$(version_of "$source") и команда $BOTCTL"
	fi
	[ "$mode" = create ] || return 0
	if [ -z "$python" ]; then
		good_python || {
			show_outline
			return 0
		}
		temporary="$(mktemp -d)"
		"$PYTHON" -m venv "$temporary"
		"$temporary/bin/python" -m pip install --quiet --no-input --no-cache-dir --disable-pip-version-check \
			--require-hashes --only-binary=:all: -r "$source/requirements.txt" || {
			show_outline
			return 0
		}
		python="$temporary/bin/python"
	fi
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$source" "$python" -m python_bot.cli "$instance" create "${pass[@]}"
}

# The plan without Python, which decides and renders: every place, but no content.
show_outline() {
	local domain=DOMAIN word before=''
	for word in "${pass[@]}"; do
		# As it is pasted it may be anything; only botctl reads that.
		[ "$before" != --domain ] || [[ ! "$word" =~ ^[a-z0-9.-]+$ ]] || domain="$word"
		before="$word"
	done
	say "Then for $instance (every file as a diff once python3 and python3-venv are installed):" \
		"Затем для $instance (содержимое каждого файла — когда установлены python3 и python3-venv):"
	cat <<PLACES
  make the system user b24bot-$instance
  directory $ROOT/var/www/b24bots/$instance (0700 b24bot-$instance)
  make $ROOT/etc/b24bot/env/$instance.env (0600 root)
  make $ROOT/etc/b24bot/instances/$instance.json, $ROOT/etc/b24bot/ports.map
  make $ROOT/etc/systemd/system/gunicorn-b24bot-$instance.socket and .service, and start them
PLACES
	[[ " ${pass[*]} " == *' --no-nginx '* ]] || cat <<PLACES
  make $ROOT/etc/nginx/sites-available/b24bots-$domain and a link to it in sites-enabled
  make $ROOT/etc/nginx/b24bots.d/$domain/$instance.conf, $ROOT/etc/nginx/b24bots.d/proxy.conf, $ROOT/etc/nginx/conf.d/00-b24bots.conf
  test the whole nginx configuration, then reload nginx
PLACES
	[[ " ${pass[*]} " != *' --duckdns-domain '* ]] ||
		echo "  make a timer in $ROOT/etc/systemd/system and the token's file in $ROOT/etc/b24bot (0600 root)"
}

# What was begun and did not come to its end, by an error or Ctrl-C.
clean_up() {
	[ -n "$temporary" ] || return 0
	rm -rf "$temporary"
	rmdir "$OPT/releases" "$OPT" 2>/dev/null || true
}

uninstall() {
	local left mine going
	left="$(find "$ROOT/etc/b24bot/instances" -name '*.json' -exec basename -s .json {} + 2>/dev/null |
		sort | tr '\n' ' ' || true)"
	[ -z "$left" ] || err "there are instances: $left" "есть экземпляры: $left" "botctl ${left%% *} purge"
	mine="$(tr '\n' ' ' 2>/dev/null <"$INSTALLED" || true)"
	rm -rf "$OPT"
	[ ! -e "$BOTCTL" ] || ! grep -q 'Made by setup_multi.sh' "$BOTCTL" || rm -f "$BOTCTL"
	say 'The releases and botctl are gone.' 'Выпуски и botctl удалены.'
	[ -n "${mine// /}" ] || return 0
	# Only packages that came with us, and only when nothing else on the server needs them by now.
	# shellcheck disable=SC2086 # a list of words
	going="$(apt-get -s purge $mine 2>/dev/null | sed -n 's/^\(Purg\|Remv\) \([^ ]*\).*/\2/p' | sort -u | tr '\n' ' ')"
	for package in $going; do
		[[ " $mine " == *" $package "* ]] || {
			say "Kept, because $package needs them: $mine" "Оставлены, нужны пакету $package: $mine"
			return 0
		}
	done
	if [ -z "$yes" ]; then
		[ -t 0 ] || {
			say "Packages that came with b24bot stay; to remove them: apt-get purge $mine" \
				"Пакеты, установленные вместе с b24bot, остались; удалить: apt-get purge $mine"
			return 0
		}
		say "Remove the packages that came with it as well? $mine [y/N]" "Удалить и пакеты: $mine? [y/N]"
		read -r answer && [[ "$answer" =~ ^[yYдД] ]] || return 0
	fi
	# shellcheck disable=SC2086
	DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 purge $mine >/dev/null
}

main() {
	local instance='' mode=create plan='' yes='' pass=() source
	source="$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)"
	trap clean_up EXIT
	read_flags "$@"
	check_ground
	if [ "$mode" = uninstall ]; then
		uninstall
		return
	fi
	if [ "$mode" = create ]; then
		need_instance
		check_instance
	fi
	if [ -n "$plan" ]; then
		show_plan "$source"
		return
	fi
	install_software "$source"
	[ "$mode" = create ] || return 0
	exec "$BOTCTL" "$instance" create "${pass[@]}"
}

main "$@"
