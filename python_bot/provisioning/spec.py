"""What an instance was asked to be. Stored without secrets beside the env file; plans are made from it."""

from __future__ import annotations

import json
from dataclasses import asdict, field, fields, replace
from pathlib import Path
from typing import Any

from ..errors import B24BotError
from ..values import dataclass


@dataclass(frozen=True, slots=True)
class InstanceSpec:
    """`domain` in Punycode; `single`: served at the root of its domain. `env`: the settings, secrets included.

    The certificate belongs to the domain and is the same in all of its instances; each has its own `scheme`.
    `acme_server`: the directory of the authority that certbot gets it from; '' for an own certificate or none.
    """

    name: str
    domain: str
    unicode_domain: str
    port: int
    release: str
    single: bool = False
    scheme: str = "http"
    certificate: str = ""
    key: str = ""
    acme_server: str = ""
    acme_email: str = ""
    enabled: bool = True
    env: dict[str, str] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        return "" if self.single else f"/{self.name}"

    @property
    def public_url(self) -> str:
        return f"{self.scheme}://{self.domain}{self.prefix}/python_bot/"

    @property
    def shown_url(self) -> str:
        return f"{self.scheme}://{self.unicode_domain}{self.prefix}/python_bot/"


def write_spec(spec: InstanceSpec) -> bytes:
    row: dict[str, Any] = asdict(spec)
    del row["env"]
    return (json.dumps(row, ensure_ascii=False, indent=1) + "\n").encode()


def read_spec(path: Path, env: dict[str, str]) -> InstanceSpec:
    """Raises B24BotError when the file is damaged; FileNotFoundError when there is none."""
    try:
        return replace(spec_of(json.loads(path.read_text(encoding="utf-8"))), env=env)
    except (ValueError, TypeError, AttributeError) as error:
        raise B24BotError(f"{path} is damaged: {error}", next_step="restore it from a backup") from None


def spec_of(row: dict[str, Any]) -> InstanceSpec:
    """Without settings. What a newer release wrote beside what we know is passed over. Raises TypeError."""
    known = {each.name for each in fields(InstanceSpec)}
    return InstanceSpec(**{name: value for name, value in row.items() if name in known})
