#!/usr/bin/env bash
# Every check there is, in the environment that ./test.sh made. All run, even when one fails; exits 1 if any did.
#
#   ./check.sh                       format, lint, types, import contracts, shell, tests
#   ./check.sh tests/unit -k retry   only these tests: all arguments go to pytest
set -uo pipefail

FAILED=()

step() {
	local name="$1"
	shift
	printf '== %s\n' "$name"
	"$@" || FAILED+=("$name")
}

# Every shell script that git knows or would add, found by its first line: a new one cannot be forgotten.
shell_scripts() {
	local file first
	while IFS= read -r -d '' file; do
		[ -f "$file" ] && IFS= read -r first <"$file" && [[ $first =~ ^#!.*[/\ ](ba|da)?sh( |$) ]] && printf '%s\n' "$file"
	done < <(git ls-files -z --cached --others --exclude-standard) 2>/dev/null
}

# `bench` is typed as strictly as the product, as soon as it has a file.
typed_folders() {
	printf '%s\n' python_bot tests/support tests/packaging
	compgen -G 'bench/*.py' >/dev/null && echo bench
}

check_all() {
	local scripts folders
	mapfile -t scripts < <(shell_scripts)
	mapfile -t folders < <(typed_folders)
	step 'format (ruff)' ruff format --check .
	step 'lint (ruff)' ruff check .
	step 'types (mypy --strict)' mypy --strict "${folders[@]}"
	step 'import contracts (import-linter)' lint-imports --no-logo
	step "shell, ${#scripts[@]} scripts (shellcheck)" shellcheck "${scripts[@]}"
	step "shell, ${#scripts[@]} scripts (shfmt)" shfmt -d "${scripts[@]}"
}

# The Debians that tests/e2e boots, while the checks run; whoever needs one waits for it. What fails here is told there.
prepare_machines() {
	python -m tests.e2e.trees >/dev/null 2>&1 </dev/null &
}

main() {
	cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" || exit 1
	[ -f .venv/stamp ] || {
		printf 'Error: there is no environment yet\nNext step: ./test.sh\n' >&2
		exit 1
	}
	PATH="$PWD/.venv/bin:$PATH"
	[ $# -gt 0 ] || prepare_machines
	[ $# -gt 0 ] || check_all
	[ ${#FAILED[@]} -eq 0 ] || printf '== FAILED before the tests: %s\n' "$(IFS=';' && echo "${FAILED[*]}")"
	# Last, so that pytest's own closing line is the last one. No test may hang: the slowest boots machines.
	echo '== tests (pytest)'
	local workers=()
	# Whole files in the order of tests/conftest.py. Three at a time on two cores: most of them wait for a portal's pace,
	# or for a machine.
	[ $# -gt 0 ] || workers=(-n 3 --dist loadfile --no-loadscope-reorder)
	python -m pytest --timeout 600 "${workers[@]}" "$@" && [ ${#FAILED[@]} -eq 0 ]
}

main "$@"
