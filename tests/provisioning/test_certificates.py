"""HTTPS below a staging root: what is planned, what a domain's instances share, what stays behind; and refusals."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from python_bot.provisioning.acme import refusal
from python_bot.provisioning.steps import AcmeCertificate
from tests.provisioning.test_create import botctl, create, files

DOMAIN = "bots.example.ru"
STEP = AcmeCertificate(DOMAIN, "https://ca.example.ru/dir")


def spec(root: Path, name: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((root / f"etc/b24bot/instances/{name}.json").read_text())
    return found


def vhost(root: Path) -> str:
    return (root / f"etc/nginx/sites-available/b24bots-{DOMAIN}").read_text()


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    directory = tmp_path_factory.mktemp("certificate")
    for name in ("cert.pem", "key.pem"):
        (directory / name).write_text("a certificate")
    return ("--tls-cert", f"{directory}/cert.pem", "--tls-key", f"{directory}/key.pem")


def test_the_certificate_outlives_the_instance_that_brought_it(tmp_path: Path, own: tuple[str, ...]) -> None:
    create(tmp_path, "shop")
    create(tmp_path, "acme", *own)
    assert spec(tmp_path, "shop")["scheme"] == "http"
    create(tmp_path, "new")
    assert spec(tmp_path, "new")["scheme"] == "https"
    assert botctl(tmp_path, "acme", "purge", "--yes").returncode == 0
    for name in ("shop", "new"):
        create(tmp_path, name)
        assert "listen 443 ssl" in vhost(tmp_path) and own[1] in vhost(tmp_path)


def test_back_to_http_waits_for_the_last_instance_that_has_https(tmp_path: Path, own: tuple[str, ...]) -> None:
    create(tmp_path, "acme", *own)
    create(tmp_path, "shop")
    create(tmp_path, "acme", "--tls", "off")
    assert spec(tmp_path, "acme")["scheme"] == "http"
    assert "listen 443 ssl" in vhost(tmp_path)
    create(tmp_path, "shop", "--tls", "off")
    assert "ssl" not in vhost(tmp_path)


def test_an_authority_is_remembered_and_leaves_with_the_last(tmp_path: Path) -> None:
    for name in ("etc", "var/lib"):
        (tmp_path / name).mkdir(parents=True)
    before = set(files(tmp_path))
    create(tmp_path, "acme", "--tls", "acme", "--acme-server", "https://ca.example.ru/dir")
    assert spec(tmp_path, "acme")["acme_server"] == "https://ca.example.ru/dir"
    assert f"/etc/letsencrypt/live/b24bots-{DOMAIN}/fullchain.pem" in vhost(tmp_path)
    assert f"B24BOT_PUBLIC_URL=https://{DOMAIN}/acme/python_bot/" in (tmp_path / "etc/b24bot/env/acme.env").read_text()
    known = files(tmp_path)
    create(tmp_path, "acme")
    assert files(tmp_path) == known
    assert botctl(tmp_path, "acme", "purge", "--yes").returncode == 0
    assert set(files(tmp_path)) == before


def test_answers_may_ask_for_https(tmp_path: Path) -> None:
    (tmp_path / "answers").write_text("TLS=acme\nACME_EMAIL=admin@example.ru\n")
    create(tmp_path, "acme", "--answers", str(tmp_path / "answers"))
    assert spec(tmp_path, "acme")["acme_email"] == "admin@example.ru"


@pytest.mark.parametrize(
    "flags, problem",
    [
        (("--tls", "acme", "--tls-cert", "x", "--tls-key", "y"), "exclude each other"),
        (("--tls-cert", "x"), "belong together"),
        (("--acme-email", "a@example.ru"), "belong to --tls acme"),
        (("--tls", "acme", "--acme-server", "http://ca.example.ru/dir"), "give the https address"),
        (("--tls", "acme", "--no-nginx"), "needs our nginx"),
        (("--tls", "yes"), "'acme', 'off'"),
        (("--tls", "acme", "--domain", "192.0.2.7"), "certifies names"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, flags: tuple[str, ...], problem: str) -> None:
    done: subprocess.CompletedProcess[str] = botctl(tmp_path, "acme", "create", "--yes", "--domain", DOMAIN, *flags)
    assert done.returncode != 0 and problem in done.stderr
    assert not (tmp_path / "etc").exists()


REPORT = "The Certificate Authority reported these problems:\n  Domain: x\n  Type:   {kind}\n  Detail: {detail}\n"


@pytest.mark.parametrize(
    "output, cause, advice",
    [
        (
            REPORT.format(kind="dns", detail="DNS problem: NXDOMAIN looking up A"),
            "looking up A",
            "DNS records",
        ),
        (REPORT.format(kind="connection", detail="192.0.2.7: Timeout during connect"), "Timeout", "port 80"),
        (REPORT.format(kind="unauthorized", detail="Invalid response from x: 404"), "404", "another server"),
        (REPORT.format(kind="caa", detail="CAA record forbids issuance"), "CAA", "CAA record"),
        (
            "An unexpected error occurred:\ntoo many certificates (5) already issued, retry after 2026-11-20\n",
            "retry after 2026-11-20",
            "wait",
        ),
        ("Another instance of Certbot is already running.\n", "already running", "in a minute"),
        (
            "An unexpected error occurred:\nValueError: Requesting ca.example.ru/dir: Connection refused\n",
            "cannot be reached",
            "network",
        ),
        ("", "certbot says nothing", "letsencrypt.log"),
    ],
)
def test_a_refusal_names_its_cause_and_what_helps(output: str, cause: str, advice: str) -> None:
    refused = refusal(STEP, f"Saving debug log to /var/log/letsencrypt/letsencrypt.log\n{output}")
    assert str(refused).startswith(f"no certificate for {DOMAIN}: ") and cause in str(refused)
    assert advice in refused.next_step
