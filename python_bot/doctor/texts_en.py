"""code -> (what was seen, what it means, what to do next)."""

from __future__ import annotations

from typing import Final

_PORTAL_ADMIN: Final = "as an administrator of the portal, open the application there once; then botctl INSTANCE doctor"

ENGLISH: Final[dict[str, tuple[str, str, str]]] = {
    # A
    "dns_ok": ("{domain} leads to {addresses}", "the name leads here", ""),
    "dns_missing": (
        "{domain} leads nowhere",
        "nobody can find this server by its name, the portal neither",
        "make an A record for {domain} with this server's address (or botctl duckdns)",
    ),
    "dns_elsewhere": (
        "{domain} leads to {addresses}; this server has {own}, and no request by that name arrived here",
        "the portal's events go to another server",
        "change the A/AAAA record of {domain} to this server's address; it may take an hour to be known",
    ),
    "dns_partly": (
        "{domain} leads to {addresses}, too, and no request to there arrived here",
        "some of the portal's requests may get lost",
        "remove that record, or correct it",
    ),
    "dns_spellings": (
        "{unicode} leads to {first}, {domain} to {second}",
        "the two spellings of the name are two different names for somebody's software",
        "give out the URL in Punycode: botctl INSTANCE url",
    ),
    "app_off": ("the instance is switched off", "nothing is received or archived", "botctl {instance} on"),
    "port_dead": (
        "127.0.0.1:{port}: {problem}",
        "Gunicorn does not answer on its own port, so nothing behind nginx does",
        "botctl INSTANCE on; if it stays so: botctl INSTANCE logs",
    ),
    "not_ready": (
        "127.0.0.1:{port}/readyz: {problem}",
        "the instance runs, but cannot do its work",
        "botctl INSTANCE restart; then botctl INSTANCE logs",
    ),
    "nginx_broken": ("nginx -t: {cause}", "nginx will not start or reload with these files", "mend the file it names"),
    "nginx_down": (
        "nothing listens on port {port}",
        "nginx does not run: no request from outside gets in",
        "systemctl start nginx (journalctl -u nginx says why it ended)",
    ),
    "nginx_ok": ("nginx runs and takes its files as they are", "{instances} instances are served", ""),
    "nginx_unlinked": (
        "the site of {domain} is not in sites-enabled",
        "nginx does not serve the domain",
        "botctl INSTANCE doctor --fix",
    ),
    "nginx_astray": (
        "{answers}; none of these requests reached the application",
        "nginx answers {path} itself or passes it to something else",
        "look at the files below /etc/nginx for the domain; botctl INSTANCE doctor --fix writes ours anew",
    ),
    "prefix_kept": (
        "{sent} arrived in the application as {arrived}",
        "nginx does not take the instance's prefix off; the application forgives it, links and limits may be wrong",
        "botctl INSTANCE doctor --fix writes our nginx file anew",
    ),
    "method_refused": (
        "{answers}",
        "(G, first hypothesis) a check of the handler's URL gets a refusal, so the portal may not accept it",
        "let GET, HEAD and POST pass for /python_bot in whatever stands before the application",
    ),
    "tls_untrusted": (
        "{problem}",
        "programs that check certificates refuse this one; the portal may be one of them",
        "get a certificate of a known authority: botctl INSTANCE create --tls acme",
    ),
    "public_blocked": (
        "{answers}",
        "the server answers inside, and not at its public address: a firewall, or a router that leads nowhere",
        "open the port in the firewall and in the provider's panel; then fetch the URL from elsewhere",
    ),
    "public_astray": (
        "{answers}; none of these requests reached this instance",
        "something else answers at the public address",
        "find out what stands before this server (a proxy, another site of the same name)",
    ),
    "reach_ok": ("GET, HEAD and POST arrive by way of: {hops}", "the URL is answered as it should be", ""),
    "handler_foreign": (
        "registered: {urls}; ours is {ours}",
        "the portal sends events to another address: another server, or a former one",
        "botctl INSTANCE doctor --fix registers ours and removes the others",
    ),
    "handler_missing": (
        "not registered for {ours}: {events}",
        "(G, second hypothesis) the portal does not send these events because nobody asked for them",
        "botctl INSTANCE doctor --fix registers them",
    ),
    "handler_ok": ("{count} subscriptions, all for {ours}", "the portal knows our address", ""),
    # B
    "token_ok": ("the token works, {minutes} min are left", "calls to the portal are possible", ""),
    "token_renewed": ("the token had expired and was renewed just now", "the renewal works", ""),
    "token_unrenewable": (
        "CLIENT_ID, CLIENT_SECRET or the refresh token is missing",
        "after an hour no call is possible any more",
        "botctl INSTANCE config set CLIENT_ID=… CLIENT_SECRET --restart",
    ),
    "renewal_ok": (
        "the authorization server knows CLIENT_ID and CLIENT_SECRET",
        "the token will be renewed when its hour is over",
        "",
    ),
    "secret_wrong": (
        "the authorization server answers {code} to CLIENT_ID and CLIENT_SECRET; the token has {minutes} min left",
        "CLIENT_ID or CLIENT_SECRET is not this application's, so the token cannot be renewed",
        "copy both from the application's card in the portal: botctl INSTANCE config set CLIENT_ID=… CLIENT_SECRET "
        "--restart",
    ),
    "oauth_unreachable": (
        "{problem}; the token has {minutes} min left",
        "the authorization server does not answer this server: without it the token cannot be renewed",
        "let this server out to that host, port 443 (and look at B24BOT_OAUTH_URL, if it is set)",
    ),
    "token_expired": (
        "{problem}",
        "the token has expired, and without CLIENT_ID and CLIENT_SECRET it cannot be renewed",
        "botctl INSTANCE config set CLIENT_ID=… CLIENT_SECRET --restart",
    ),
    "not_installed": (
        "there are no tokens of a portal",
        "the application was not installed yet, or its installation never arrived here",
        "install the application in the portal with the handler {url}",
    ),
    "uninstalled": (
        "the portal told that the application was removed",
        "no calls are possible; the archive stays",
        "install the application in the portal again",
    ),
    "installer_dismissed": (
        "{problem}",
        "the employee who installed the application cannot log in any more (dismissed): their token is void",
        _PORTAL_ADMIN,
    ),
    "tokens_dead": (
        "{problem}",
        "the portal does not accept our tokens, and they could not be renewed",
        _PORTAL_ADMIN,
    ),
    "portal_unreachable": (
        "{problem}",
        "the portal does not answer this server",
        "open the portal in a browser; then curl -I its address from this server",
    ),
    "portal_busy": (
        "{problem}",
        "the portal answers, and takes no more requests from this server at the moment",
        "ask again in a minute; if it stays so, look what else on this server calls the portal",
    ),
    "scope_missing": (
        "missing: {missing}; granted: {granted}",
        "imbot is for the bot, imopenlines for lines and history, im for messages and names: it cannot work without",
        "tick these permissions in the application's card in the portal and save; then botctl INSTANCE restart",
    ),
    "scope_useful": (
        "missing: {missing}; granted: {granted}",
        "without disk the contents of attachments cannot be fetched",
        "tick it in the application's card in the portal and save",
    ),
    "scope_ok": ("granted: {granted}", "the application may do what it needs", ""),
    "installer_plain": (
        "user {user} is no administrator",
        "lines and the history of others may be refused",
        "let an administrator open the application in the portal",
    ),
    "installer_ok": ("user {user} is an administrator", "lines and history are open to us", ""),
    "portal_refused": (
        "{refusals}",
        "the portal refuses these questions, so what they would have shown is unknown",
        "look the code up in the portal's documentation; botctl INSTANCE logs shows the whole answer",
    ),
    # C
    "chats_ok": ("{dialogs} dialogs, one chat for a person in a channel", "nobody is met anew each time", ""),
    "chats_doubled": (
        "{count} clients with several chats in one channel of a line: {people}",
        "the portal opened chats anew for people that it had one with",
        "look whether the connector was removed and added again",
    ),
    # D, G
    "round_trip_ok": ("the portal's test event arrived after {seconds} s", "the way in is open", ""),
    "round_trip_late": (
        "the test event did not come in time, a real event came {minutes} min ago",
        "the portal's queue is slow at the moment",
        "ask again in some minutes",
    ),
    "silent_url_check": (
        "event.test was accepted, nothing arrived, and the URL answers 405",
        "the evidence supports the first hypothesis: the check of the URL fails",
        "let GET, HEAD and POST pass for {url}",
    ),
    "silent_subscription": (
        "event.test was accepted, nothing arrived, and nobody is subscribed for {url}",
        "the evidence supports the second hypothesis: the subscription is missing",
        "botctl {instance} doctor --fix",
    ),
    "silent_network": (
        "event.test was accepted and nothing arrived; the URL answers well here, the subscription is there",
        "the evidence supports the third hypothesis: the network between Bitrix24 and {url}",
        "let Bitrix24 in (a firewall, or a provider that filters foreign addresses); or pull the events instead, "
        "which needs no way in: botctl {instance} config set B24BOT_EVENT_MODE=fetch --restart",
    ),
    "silent_receiver": (
        "requests of the portal arrived and were refused: {outcomes}",
        "the portal reaches us, but its application_token is not the one that we know",
        _PORTAL_ADMIN,
    ),
    # E
    "bot_ok": ("bot {bot_id}, changed {changes} times", "it is the same bot", ""),
    "bot_missing": (
        "the portal knows no bot {code} (last known: {bot_id})",
        "the bot was deleted in the portal: no dialog reaches us",
        "botctl INSTANCE doctor --fix registers it again and attaches the lines",
    ),
    "bot_changed": (
        "bot {bot_id} in place of {former} since less than a day; {times} changes in all",
        "somebody deletes the bot, or registers the application anew",
        "look into the portal's journal for who does it; one bot is enough for ever",
    ),
    "bot_doubled": (
        "bots {bot_ids} are ours",
        "a former bot was left behind",
        "delete in the portal the one that serves no line",
    ),
    "lines_ok": ("lines {lines} with all five fields", "new dialogs reach the bot, operators are heard", ""),
    "no_lines": (
        "the bot serves no line",
        "there is nothing to archive",
        "botctl INSTANCE lines attach ID",
    ),
    "line_detached": (
        "line {line} ({name}) has no bot",
        "dialogs of this line do not reach us",
        "botctl INSTANCE doctor --fix attaches it again (or botctl INSTANCE lines detach {line}, if that was meant)",
    ),
    "line_fields": (
        "line {line} ({name}): {fields}",
        "the bot's fields were reset, as a save of the line's form does: it leaves early or greets wrongly",
        "botctl INSTANCE doctor --fix writes all five fields",
    ),
    "line_other_bot": (
        "line {line} ({name}) is served by bot {other}",
        "dialogs of this line do not reach us",
        "botctl INSTANCE lines attach {line} takes it over",
    ),
    "line_gone": ("the portal has no line {line}", "B24BOT_LINES names a deleted line", "botctl INSTANCE config set"),
    # F
    "database_ok": ("quick_check: ok, {dialogs} dialogs", "the file is whole", ""),
    "database_unchecked": ("the check takes longer than the report may", "no damage was seen so far", ""),
    "database_damaged": (
        "quick_check: {verdict}",
        "the database file is damaged: a failing disk, or somebody wrote into it",
        "check the disk (dmesg); then botctl INSTANCE restore FILE with the last backup, and botctl INSTANCE sync",
    ),
    "database_set_aside": (
        "{names} lies in the instance's home",
        "the archive was unreadable at a start: it was put aside untouched, and an empty one was begun",
        "botctl INSTANCE restore FILE with the last backup, then botctl INSTANCE sync --all; then move that file away",
    ),
    "archive_unread": ("{problem}", "the archive could not be asked", "botctl INSTANCE logs"),
    "events_seen": ("{event}, {ago} ago", "the portal's last event", ""),
    "events_none": ("no event was recorded yet", "nobody wrote since the installation", ""),
    "refusals_none": ("of the last day", "nobody was turned away, and no call of ours either", ""),
    "refusals_seen": ("of the last day: {refusals}", "why requests ended with 401 or did not count", ""),
    "journal_ok": ("of the last day: {came} in, {went} out", "every request is in the HTTP journal", ""),
    "journal_gap": (
        "the last event came {event} ago, the newest request of the HTTP journal {request} ago",
        "requests are not written down any more: what one of them led to cannot be traced",
        "botctl INSTANCE logs says why; B24BOT_JOURNAL_DAYS=0 would keep none on purpose",
    ),
    "outbox_ok": ("{count} jobs wait", "work goes out", ""),
    "outbox_stuck": (
        "{count} jobs wait, the oldest since {age}; last error: {reason}",
        "work does not go out",
        "mend what the error names; botctl INSTANCE outbox shows all of it",
    ),
    "outbox_buried": (
        "{count} jobs were given up: {reasons}",
        "they are not tried again by themselves",
        "mend the cause; botctl INSTANCE doctor --fix revives those that may succeed now",
    ),
    "completeness_ok": (
        "{complete} of {dialogs} dialogs are complete, nothing older than a day is missing",
        "the archive is whole",
        "",
    ),
    "completeness_gaps": (
        "{count} messages, sessions or numbers older than a day were never compared",
        "something that was said may be missing",
        "botctl {instance} sync; botctl {instance} completeness shows where",
    ),
    "log_ok": ("no token in the logs", "the logs can be shown to others", ""),
    "log_secret": (
        "one of the instance's tokens stands in {paths}",
        "whoever reads the log gets in",
        "botctl INSTANCE token rotate; delete that log; and report how it came there",
    ),
    # H
    "channels_ok": ("{accounts}", "the messengers' accounts work and are connected to their lines", ""),
    "channel_failing": (
        "{account}: {problem}",
        "messages of this account do not come, or answers do not leave",
        "mend what it names; when the token or the key is void: botctl INSTANCE {channel} shows the accounts",
    ),
    "channel_hook_astray": (
        "{account}: the messenger calls {calls}, and not this instance",
        "its messages come late or not at all",
        "botctl INSTANCE doctor --fix registers our address; if it is taken away again, somebody else uses the account",
    ),
    "channel_hook_failing": (
        "{account}: {error}; {waiting} wait at the messenger",
        "the messenger cannot reach our webhook: its messages wait there",
        "see section A; the address needs a certificate of a known authority",
    ),
    "channel_no_line": (
        "{account}; {waiting} messages wait",
        "the account is on no open line: nobody sees what its clients write",
        "choose a line on the page of the connector in the portal; botctl INSTANCE {channel} shows the accounts",
    ),
    "connector_inactive": (
        "{account}: not active on line {line}",
        "the account was taken off its line in the portal: messages wait here",
        "botctl INSTANCE doctor --fix connects it again",
    ),
    "connector_refused": (
        "{account}, line {line}: {problem}",
        "the portal did not take the account as a channel of the line",
        "mend what it names; then botctl INSTANCE doctor --fix",
    ),
    # M
    "settings_wrong": (
        "{file}: {problems}",
        "the instance cannot start with these settings, and nothing else could be examined",
        "botctl INSTANCE config set NAME=VALUE --restart",
    ),
    "disk_ok": ("{percent} % used, {free} MiB free", "there is room", ""),
    "disk_low": ("{path}: {percent} % used, {free} MiB free", "the disk fills up", "free some room soon"),
    "disk_full": (
        "{path}: {percent} % used, {free} MiB free",
        "events cannot be stored any more, or soon",
        "free some room: old logs, backups, releases (journalctl --vacuum-size=100M, apt-get clean)",
    ),
    "memory_low": ("{free} MiB of memory are free", "the system may end processes", "stop something, or add memory"),
    "clock_ok": ("{seconds} s apart from the portal's", "the clock is right", ""),
    "clock_drifts": ("{seconds} s apart from the portal's", "the clock drifts", "timedatectl set-ntp true"),
    "clock_wrong": (
        "this server's clock is {direction}{seconds} s off the portal's",
        "tokens count as expired or as valid when they are not; certificates are refused",
        "timedatectl set-ntp true (or apt-get install systemd-timesyncd)",
    ),
    "unit_ok": ("socket and service are active, {restarts} restarts", "systemd keeps it running", ""),
    "unit_failed": ("{units}", "systemd does not run the instance", "botctl {instance} on"),
    "unit_loop": (
        "{unit} was started again {restarts} times and does not stay up",
        "the instance ends right after its start",
        "journalctl -u {unit} -n 30 and botctl {instance} logs say why",
    ),
    "permissions_ok": ("0700 and 0600, and the right owner", "the files are the instance's alone", ""),
    "permissions": (
        "wrong owner or mode: {paths}",
        "others can read it, or the instance cannot write it",
        "botctl INSTANCE doctor --fix",
    ),
    "nginx_warns": ("{warnings}", "nginx starts, but does something else than the files say", "mend the file it names"),
    "python_ok": ("Python {release}", "the release runs on the system's Python", ""),
    "python_differs": (
        "the release has Python {release}, the system {system}",
        "after the next clean-up of the system the release may not start any more",
        "run setup_multi.sh of the same version again, then botctl INSTANCE upgrade",
    ),
    "python_missing": (
        "the Python of the release is not there any more",
        "the instance cannot start: the system was upgraded under it",
        "run setup_multi.sh of the same version again, then botctl INSTANCE on",
    ),
    "interrupted": (
        "{path} holds a change that was interrupted",
        "a change of this server was left half done",
        "botctl recover",
    ),
    "disabled": (
        "the flag DISABLED is set",
        "events are archived, no call leaves: no hand-over either",
        "botctl {instance} enable",
    ),
}
