"""What the bot says to employees, in Russian and English. Pure."""

from __future__ import annotations

from typing import Final, Literal

from ..model import BotCommand
from .state import Problem, State, Trouble

Language = Literal["ru", "en"]
_RUSSIAN: Final = ("", "ru", "by", "kz", "ua")  # as portals name the languages of people who read Russian


def language_of(code: str) -> Language:
    """'ua' -> 'ru', 'de' -> 'en'."""
    return "ru" if code.lower() in _RUSSIAN else "en"


# What is wrong, and what to do about it.
TROUBLES: Final[dict[Language, dict[Trouble, tuple[str, str]]]] = {
    "ru": {
        "switched_off": ("экземпляр выключен", "включите его на сервере: botctl ЭКЗЕМПЛЯР on"),
        "not_authorized": ("приложение не авторизовано", "откройте его в портале под администратором"),
        "not_set_up": ("настройка портала ещё идёт", "подождите минуту"),
        "pending": ("установка не завершена", "откройте приложение в портале и нажмите «Установить»"),
        "no_bot": ("бот не зарегистрирован", "проверьте право imbot в настройках локального приложения"),
        "no_lines": ("бот не подключён ни к одной линии", "выберите линии на странице приложения"),
        "no_admin": (
            "приложение установил сотрудник без прав администратора",
            "переустановите его под администратором",
        ),
        "line": ("линия «{}» не подключилась", "подключите бота в её настройках вручную или нажмите «Применить»"),
        "buried": ("заданий, от которых отказались: {}", "посмотрите на сервере: botctl ЭКЗЕМПЛЯР outbox"),
        "late": ("заданий, которые ждут дольше минуты: {}", "портал отвечает медленно; если не пройдёт, см. bot.log"),
    },
    "en": {
        "switched_off": ("the instance is switched off", "switch it on at the server: botctl INSTANCE on"),
        "not_authorized": ("the application is not authorized", "open it in the portal as an administrator"),
        "not_set_up": ("the portal is still being set up", "wait a minute"),
        "pending": ("the installation is not finished", "open the application in the portal and press “Install”"),
        "no_bot": ("the bot is not registered", "check the scope imbot in the settings of the local application"),
        "no_lines": ("the bot is attached to no line", "choose lines on the application's page"),
        "no_admin": ("an employee who is no administrator installed it", "install it again as an administrator"),
        "line": ("the line “{}” was not attached", "attach the bot in its settings by hand, or press “Apply”"),
        "buried": ("jobs that were given up: {}", "look at the server: botctl INSTANCE outbox"),
        "late": ("jobs that wait longer than a minute: {}", "the portal is slow; if that lasts, see bot.log"),
    },
}
_HELP: Final = {
    "ru": (
        "Я записываю диалоги открытых линий и сразу передаю их операторам. Команды:\n"
        "[b]ping[/b] — как дела, одной строкой\n"
        "[b]status[/b] — подробнее: линии, архив, что не так\n"
        "[b]help[/b] — эта подсказка"
    ),
    "en": (
        "I record the dialogs of the open lines and hand them to operators at once. Commands:\n"
        "[b]ping[/b] – how I am, in one line\n"
        "[b]status[/b] – more: lines, archive, what is wrong\n"
        "[b]help[/b] – this text"
    ),
}
_GREETING: Final = {
    "ru": "Здравствуйте! Бот архива открытых линий установлен, а вы — среди тех, кто за ним присматривает. ",
    "en": "Hello! The bot that archives open lines is installed, and you are among those who look after it. ",
}
_TEST: Final = {
    "ru": "Проверка связи: сюда я пишу. Ответьте [b]ping[/b] — и станет ясно, что слышу и вас.",
    "en": "A test: this is the way to you. Answer [b]ping[/b], and we know that I hear you too.",
}
_ASK: Final = {
    "ru": "Напишите [b]ping[/b] — отвечу, как дела; [b]help[/b] — что ещё умею.",
    "en": "Write [b]ping[/b] and I tell how I am; [b]help[/b] lists what else I can do.",
}


def greeting(language: Language) -> str:
    return _GREETING[language] + _ASK[language]


def test(language: Language) -> str:
    return _TEST[language]


def answer(command: BotCommand, state: State, language: Language) -> str:
    """BB code, as the portal's chats take it."""
    match command:
        case "ping":
            return one_line(state, language)
        case "status":
            return _status(state, language)
        case "help":
            return _HELP[language]


def one_line(state: State, language: Language) -> str:
    """'✅ Работаю · линий: 2 · диалогов: 124 (открыто 3) · …'"""
    if language == "ru":
        figures = [
            f"линий: {state.attached}",
            f"диалогов: {_number(state.dialogs)} (открыто {_number(state.open_dialogs)})",
            f"сообщений: {_number(state.messages)}",
            f"последнее: {ago(state.last_message_at, state.now, language)}",
        ]
    else:
        figures = [
            f"lines: {state.attached}",
            f"dialogs: {_number(state.dialogs)} ({_number(state.open_dialogs)} open)",
            f"messages: {_number(state.messages)}",
            f"the last one: {ago(state.last_message_at, state.now, language)}",
        ]
    if not state.problems:
        return " · ".join(["✅ Работаю" if language == "ru" else "✅ At work", *figures])
    what, step = trouble(state.problems[0], language)
    more = len(state.problems) - 1
    rest = (f" (и ещё {more})" if language == "ru" else f" (and {more} more)") if more else ""
    return " · ".join([f"⚠️ {_plain(what)}{rest}: {step}", *figures])


def _status(state: State, language: Language) -> str:
    is_russian = language == "ru"
    lines = [one_line(state, language)]
    share = f"{_number(state.complete_dialogs)} / {_number(state.dialogs)}"
    lines.append(f"{'Сверено с порталом' if is_russian else 'Compared with the portal'}: {share}")
    lines.append(f"{'Заданий в очереди' if is_russian else 'Jobs waiting'}: {_number(state.waiting)}")
    heard = ago(state.last_event_at, state.now, language)
    lines.append(f"{'Последнее событие портала' if is_russian else 'Last event of the portal'}: {heard}")
    for line in state.lines:
        lines.append(f"{'✓' if line.state == 'attached' else '✗'} {_plain(line.name) or line.line_id}")
    for problem in state.problems:
        what, step = trouble(problem, language)
        lines.append(f"⚠️ {_plain(what)}: {step}")
    return "\n".join(lines)


def trouble(problem: Problem, language: Language) -> tuple[str, str]:
    """(what is wrong, what to do)."""
    what, step = TROUBLES[language][problem.kind]
    return what.format(problem.about), step


def ago(at: int | None, now: int, language: Language) -> str:
    """'5 мин назад', '2 h ago', 'ещё не было'."""
    is_russian = language == "ru"
    if at is None:
        return "ещё не было" if is_russian else "not yet"
    passed = max(0, now - at)
    if passed < 60:
        return "только что" if is_russian else "just now"
    for size, russian, english in ((86400, "дн.", "d"), (3600, "ч", "h"), (60, "мин", "min")):
        if passed >= size:
            return f"{passed // size} {russian} назад" if is_russian else f"{passed // size} {english} ago"
    return ""


def _number(value: int) -> str:
    return f"{value:,}".replace(",", " ")


def _plain(text: str) -> str:
    """Names are people's words: they must not become BB code."""
    return text.replace("[", "(").replace("]", ")")
