"""Where everything of the product lies on a server. With a staging root all of it lies below that, and nothing else
of the machine is touched."""

from __future__ import annotations

from pathlib import Path

from ..values import dataclass


@dataclass(frozen=True, slots=True)
class Layout:
    """`root`: '/' on a server; the value of B24BOT_ROOT in tests, dry runs and image builds."""

    root: Path = Path("/")

    @property
    def is_staging(self) -> bool:
        return self.root != Path("/")

    def _at(self, *parts: str) -> Path:
        return self.root.joinpath(*parts)

    # --- the release

    @property
    def opt(self) -> Path:
        return self._at("opt/b24bot")

    @property
    def releases(self) -> Path:
        return self.opt / "releases"

    def release(self, version: str) -> Path:
        return self.releases / version

    @property
    def current(self) -> Path:
        """Link to the default release."""
        return self.opt / "current"

    @property
    def botctl(self) -> Path:
        return self._at("usr/local/bin/botctl")

    # --- one instance

    @property
    def homes(self) -> Path:
        return self._at("var/www/b24bots")

    def home(self, instance: str) -> Path:
        return self.homes / instance

    @property
    def etc(self) -> Path:
        return self._at("etc/b24bot")

    def env_file(self, instance: str) -> Path:
        return self.etc / "env" / f"{instance}.env"

    def spec_file(self, instance: str) -> Path:
        """What `create` was asked for, as JSON; no secrets."""
        return self.etc / "instances" / f"{instance}.json"

    @property
    def made_directories(self) -> Path:
        """Shared directories that the first instance found missing, as JSON: they go with the last one."""
        return self.etc / "made-directories.json"

    @property
    def ports_map(self) -> Path:
        return self.etc / "ports.map"

    def user(self, instance: str) -> str:
        return f"b24bot-{instance}"

    def service(self, instance: str) -> str:
        return f"gunicorn-b24bot-{instance}.service"

    def socket(self, instance: str) -> str:
        return f"gunicorn-b24bot-{instance}.socket"

    @property
    def units(self) -> Path:
        return self._at("etc/systemd/system")

    # --- DuckDNS, each by the name without .duckdns.org

    def duckdns_token(self, name: str) -> Path:
        return self.etc / f"duckdns-{name}.token"

    def duckdns_tokens(self) -> list[Path]:
        """Of all names that this server refreshes."""
        return sorted(self.etc.glob("duckdns-*.token"))

    def duckdns_states(self, name: str) -> list[Path]:
        """Where the last refresh left its note; systemd keeps what the first, then a link, leads to in the second."""
        return [self._at(f"run/b24bot-duckdns-{name}"), self._at(f"run/private/b24bot-duckdns-{name}")]

    def cron_file(self, name: str) -> Path:
        return self._at(f"etc/cron.d/b24bot-duckdns-{name}")

    @property
    def firewall(self) -> Path:
        """Where UFW keeps its settings: `ufw/` and `default/ufw` below."""
        return self._at("etc")

    # --- nginx

    @property
    def nginx(self) -> Path:
        return self._at("etc/nginx")

    def vhost(self, domain: str) -> Path:
        """`domain` in Punycode here and below."""
        return self.nginx / "sites-available" / f"b24bots-{domain}"

    def vhost_link(self, domain: str) -> Path:
        return self.nginx / "sites-enabled" / f"b24bots-{domain}"

    def includes(self, domain: str) -> Path:
        return self.nginx / "b24bots.d" / domain

    def include(self, domain: str, instance: str) -> Path:
        return self.includes(domain) / f"{instance}.conf"

    @property
    def nginx_common(self) -> Path:
        """What concerns all of nginx: the zone of the rate limit, the size of the name hash, the log format."""
        return self.nginx / "conf.d" / "00-b24bots.conf"

    # --- certbot

    @property
    def letsencrypt(self) -> Path:
        return self._at("etc/letsencrypt")

    @property
    def certbot_work(self) -> Path:
        return self._at("var/lib/letsencrypt")

    @property
    def certbot_logs(self) -> Path:
        return self._at("var/log/letsencrypt")

    @property
    def certbot_made(self) -> Path:
        """What our first certificate found missing of certbot's own, as JSON: it goes with the last one."""
        return self.etc / "certbot.json"

    @property
    def acme_webroot(self) -> Path:
        """Where certbot lays the answers to challenges and nginx finds them."""
        return self._at("var/lib/b24bot-acme")

    # --- nginx's logs

    def web_logs(self, domain: str) -> list[Path]:
        """The domain's log files, rotated ones too, that exist now."""
        return [path for kind in ("access", "error") for path in self._web_logs(f"{domain}.{kind}.log*")]

    def all_web_logs(self) -> list[Path]:
        return self._web_logs("*.log*")

    def _web_logs(self, pattern: str) -> list[Path]:
        return sorted(self._at("var/log/nginx").glob(f"b24bots-{pattern}"))

    # --- our own bookkeeping

    @property
    def lock(self) -> Path:
        """Held while the machine is changed; never deleted while the machine is up."""
        return self._at("run/b24bot.lock")

    def hold(self, instance: str) -> Path:
        """Locked while the instance has to stand still; its service waits for it before it starts."""
        return self._at(f"run/b24bot-{instance}.hold")

    @property
    def journal(self) -> Path:
        """The transaction under way, with everything needed to undo it; absent otherwise."""
        return self._at("var/lib/b24bot/journal")

    @property
    def reserve(self) -> Path:
        """Room that an undo may need in a file system that is full by then; exists while a transaction is under way."""
        return self._at("etc/.b24bot-reserve")

    @property
    def recover_unit(self) -> Path:
        """Undoes a transaction that a power cut interrupted; exists only while one is under way."""
        return self.units / "b24bot-recover.service"

    @property
    def recover_link(self) -> Path:
        return self.units / "multi-user.target.wants" / "b24bot-recover.service"
