"""What `create` asks and says, in both languages."""

from __future__ import annotations

from typing import Final

from .language import Language

TEXTS: Final[dict[Language, dict[str, str]]] = {
    "en": {
        "ask_domain": "Domain of this server (as you would paste it)",
        "wrong_domain": "{text!r} is no domain, or mixes alphabets; an example: bots.example.ru",
        "ask_duckdns_token": "Token of DuckDNS, to keep the name leading here (not shown; Enter: somebody else does)",
        "wrong_portal": "{text!r} is no host; an example: acme.bitrix24.ru",
        "yes_or_no": "[Y/n]",
        "address": "DuckDNS: {name} leads to {address}",
        "ask_portal": "Host of the portal, for example acme.bitrix24.ru (Enter: any cloud portal)",
        "ask_client_id": "CLIENT_ID of the local application (Enter: later, with botctl INSTANCE config set)",
        "ask_client_secret": "CLIENT_SECRET of the local application (not shown)",
        "domain": "Domain: {unicode} ({ascii})",
        "plan": "The plan for {name}; nothing was changed:",
        "plan_then": "Then, while it answers so, a certificate for {domain} is asked for; with that:",
        "asking": "It answers at {url}. Asking {server} for a certificate for {domain}…",
        "refused": "It answers at {url}; only the certificate is missing:",
        "neighbour": "{name} is on this domain too and has a http URL yet: botctl {name} create {flags}",
        "nothing": "{name} is as wanted already; nothing was changed.",
        "confirm": "Make the instance {name} at {url}?",
        "ask_firewall": "The firewall UFW lets nobody reach port {port}. Open it (ufw allow {port}/tcp)?",
        "firewall_opens": "UFW keeps port {port} closed: it will be opened (ufw allow {port}/tcp)",
        "firewall_closed": "UFW keeps port {port} closed, and the portal out: until ufw allow {port}/tcp",
        "firewall_refuses": "UFW has a rule that refuses port {port}; it was left alone, and keeps the portal out."
        " See ufw status numbered, then ufw delete NUMBER",
        "done": "{name} works.",
        "handler": "Handler URL (for both paths of the local application):",
        "scopes": "Scopes to tick:",
        "scope_imbot": "the bot itself",
        "scope_imopenlines": "open lines: sessions, hand-over, history, settings of the lines",
        "scope_im": "chats and messages",
        "scope_disk": "only to download files",
        "scope_user": "only for the operators' cards",
        "token": "Token of the API: botctl {name} token show",
        "next": "Next step: make the local application in the portal (Developer resources → Other → Local application,"
        " server, uses API only) and install it as an administrator; then botctl {name} status",
        "missed": "If auth.json does not appear in {home} within a minute of that, the portal's announcement got lost"
        " (it comes only once): open {url} in a browser from outside this server. No page: look at the DNS and the"
        " firewall. A page: follow its link as an administrator, and the application is authorized.",
        "next_secret": "Then: botctl {name} config set CLIENT_ID=… and CLIENT_SECRET (asked for);"
        " botctl {name} restart",
        "slash": "Write the URL exactly so, with the slash at the end.",
    },
    "ru": {
        "ask_domain": "Домен этого сервера (как вы его вставили бы)",
        "wrong_domain": "«{text}» — не домен, или в нём смешаны алфавиты; пример: bots.example.ru",
        "ask_duckdns_token": "Токен DuckDNS, чтобы имя вело сюда (не показывается; Enter — об этом заботится другой)",
        "wrong_portal": "«{text}» — не адрес портала; пример: acme.bitrix24.ru",
        "yes_or_no": "[Д/н]",
        "address": "DuckDNS: {name} ведёт на {address}",
        "ask_portal": "Адрес портала, например acme.bitrix24.ru (Enter — любой облачный портал)",
        "ask_client_id": "CLIENT_ID локального приложения (Enter — позже, через botctl INSTANCE config set)",
        "ask_client_secret": "CLIENT_SECRET локального приложения (не показывается)",
        "domain": "Домен: {unicode} ({ascii})",
        "plan": "План для {name}; ничего не изменено:",
        "plan_then": "Затем, пока он так отвечает, запрашивается сертификат для {domain}; с ним:",
        "asking": "Экземпляр отвечает по адресу {url}. Запрашиваю у {server} сертификат для {domain}…",
        "refused": "Экземпляр отвечает по адресу {url}; не хватает только сертификата:",
        "neighbour": "{name} на том же домене пока с адресом http: botctl {name} create {flags}",
        "nothing": "{name} уже такой, как нужно; ничего не изменено.",
        "confirm": "Создать экземпляр {name} по адресу {url}?",
        "ask_firewall": "Файрвол UFW никого не пускает на порт {port}. Открыть его (ufw allow {port}/tcp)?",
        "firewall_opens": "UFW закрывает порт {port}: он будет открыт (ufw allow {port}/tcp)",
        "firewall_closed": "UFW закрывает порт {port}, портал не дойдёт, пока вы не выполните ufw allow {port}/tcp",
        "firewall_refuses": "В UFW есть правило, запрещающее порт {port}; оно не тронуто, и портал не дойдёт."
        " Смотрите ufw status numbered, затем ufw delete НОМЕР",
        "done": "{name} работает.",
        "handler": "URL обработчика (для обоих путей локального приложения):",
        "scopes": "Отметьте права:",
        "scope_imbot": "сам бот",
        "scope_imopenlines": "открытые линии: сессии, передача оператору, история, настройки линий",
        "scope_im": "чаты и сообщения",
        "scope_disk": "только чтобы скачивать файлы",
        "scope_user": "только для карточек операторов",
        "token": "Токен API: botctl {name} token show",
        "next": "Дальше: создайте в портале локальное приложение (Разработчикам → Другое → Локальное приложение,"
        " серверное, использует только API) и установите его от имени администратора; затем botctl {name} status",
        "missed": "Если за минуту в {home} не появился auth.json, сообщение портала потерялось (он шлёт его один раз):"
        " откройте {url} в браузере не с этого сервера. Страницы нет — проверьте DNS и файрвол. Страница есть —"
        " пройдите по ссылке на ней как администратор, и приложение авторизуется.",
        "next_secret": "Затем: botctl {name} config set CLIENT_ID=… и CLIENT_SECRET (спросит), и botctl {name} restart",
        "slash": "Вписывайте URL точно так, со слешем в конце.",
    },
}
