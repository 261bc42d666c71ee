"""`botctl completion bash|zsh`: a script made from the tables of verbs. click's own knows no name before the verb."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, Literal

import click

from ..settings import VARIABLES
from .config import ELSEWHERE
from .env_change import is_secret

Shell = Literal["bash", "zsh"]

# What only the machine or the instance knows, by the name of the argument.
SETTINGS_ARGUMENTS: Final = frozenset({"name", "names", "assignments"})

BASH: Final = r"""# botctl completion for bash. In ~/.bashrc:  eval "$(botctl completion bash)"
_botctl_instances() { sed -n 's/^\([a-z0-9-]*\):.*/\1/p' "${B24BOT_ROOT:-}/etc/b24bot/ports.map" 2>/dev/null; }
_botctl_words() { # the words that may follow "$1", a command without the instance's name
	case "$1" in
@CASES@
	esac
}
_botctl() {
	local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD - 1]}" first="${COMP_WORDS[1]:-}"
	local place="" words index word
	if ((COMP_CWORD == 1)); then
		words="$(_botctl_instances) $(_botctl_words server)"
	else
		case " $(_botctl_words server) " in
		*" $first "*) place="server $first" index=2 ;;
		*) place=instance index=2 ;;
		esac
		for ((; index < COMP_CWORD; index++)); do
			word="${COMP_WORDS[index]}"
			case " $(_botctl_words "$place") " in
			*" $word "*) [ -z "$(_botctl_words "$place $word")" ] || place="$place $word" ;;
			esac
		done
		words="$(_botctl_words "$place")"
		case "$place $previous" in
@VALUES@
		esac
	fi
	COMPREPLY=()
	while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$words" -- "$current")
	case " $words " in
	*" FILE "*)
		COMPREPLY=()
		while IFS= read -r word; do COMPREPLY+=("$word"); done < <(
			compgen -f -- "$current"
			compgen -W "${words//FILE/}" -- "$current"
		)
		compopt -o filenames 2>/dev/null
		;;
	esac
	case "${COMPREPLY[0]:-}" in *=) compopt -o nospace 2>/dev/null ;; esac
}
complete -F _botctl botctl
"""

ZSH: Final = r"""#compdef botctl
# botctl completion for zsh. In ~/.zshrc, after compinit:  eval "$(botctl completion zsh)"
autoload -U +X bashcompinit && bashcompinit
@BASH@"""


def script(shell: Shell, server: Mapping[str, click.Command], instance: Mapping[str, click.Command]) -> str:
    words = dict([*_words("server", server), *_words("instance", instance)])
    cases = "\n".join(f'\t"{place}") echo "{" ".join(found)}" ;;' for place, found in words.items() if found)
    values = "\n".join([*_values("server", server), *_values("instance", instance)])
    text = BASH.replace("@CASES@", cases).replace("@VALUES@", values)
    return text if shell == "bash" else ZSH.replace("@BASH@", re.sub(r"\A#.*\n", "", text))


def _words(place: str, commands: Mapping[str, click.Command]) -> Iterator[tuple[str, list[str]]]:
    """('instance token', ['add', 'list', …, '--help']) for every place where a word can follow."""
    yield place, sorted(commands)
    for name, command in sorted(commands.items()):
        here = f"{place} {name}"
        if isinstance(command, click.Group):
            yield from _words(here, command.commands)
        else:
            yield here, [*_arguments(here, command), *_options(command)]


def _options(command: click.Command) -> list[str]:
    found = [name for option in command.params if isinstance(option, click.Option) for name in _names(option)]
    return [*sorted(name for name in found if name.startswith("--")), "--help"]


def _names(option: click.Option) -> list[str]:
    return [*option.opts, *option.secondary_opts]


def _arguments(place: str, command: click.Command) -> list[str]:
    """What can stand for an argument: the choices, the names of settings, a file."""
    found: list[str] = []
    for argument in command.params:
        if not isinstance(argument, click.Argument):
            continue
        if isinstance(argument.type, click.Choice):
            found += [str(choice) for choice in argument.type.choices]
        elif isinstance(argument.type, click.Path):
            found.append("FILE")
        elif " config " in place and argument.name in SETTINGS_ARGUMENTS:
            reads = place.endswith(" get")
            found += [_setting(place, name) for name in VARIABLES if reads or name not in ELSEWHERE]
    return found


def _setting(place: str, name: str) -> str:
    return f"{name}=" if place.endswith(" set") and not is_secret(name) else name


def _values(place: str, commands: Mapping[str, click.Command]) -> Iterator[str]:
    """After an option that takes a value come its values, a file, or nothing that we know."""
    for name, command in sorted(commands.items()):
        here = f"{place} {name}"
        if isinstance(command, click.Group):
            yield from _values(here, command.commands)
            continue
        for option in command.params:
            if isinstance(option, click.Option) and not option.is_flag:
                kind = option.type
                known = " ".join(map(str, kind.choices)) if isinstance(kind, click.Choice) else ""
                known = "FILE" if isinstance(kind, click.Path) else known
                yield "\t\t" + "|".join(f'"{here} {word}"' for word in _names(option)) + f') words="{known}" ;;'


def command(server: Mapping[str, click.Command], instance: Mapping[str, click.Command]) -> click.Command:
    """The verb; it needs the tables, so it is made where they are."""

    @click.command()
    @click.argument("shell", type=click.Choice(["bash", "zsh"]))
    def completion(shell: Shell) -> None:
        """Print a completion script: verbs, options, settings, and the names of the instances.

        \b
        Examples:
          eval "$(botctl completion bash)"
          botctl completion bash >/etc/bash_completion.d/botctl
        """
        click.echo(script(shell, server, instance), nl=False)

    return completion
