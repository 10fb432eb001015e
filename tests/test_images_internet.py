"""Proxies and authorities of the machine's own on their way into builds, and into no words."""

from __future__ import annotations

import base64
import gzip
import json
import ssl
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote

import pytest
import requests

from swarmlab import process, verbose
from swarmlab.cluster import tls
from swarmlab.errors import ImageProblem
from swarmlab.images import apt, archive, build, engine, internet, recipe

PASSWORD = "planted/word+7"
LOGIN = "ada:planted%2Fword%2B7"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*internet.PROXIES, "ftp_proxy", *internet.AUTHORITIES, "PIP_CERT"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("SWARMLAB_MIRROR", raising=False)
    monkeypatch.setattr(apt, "proxy", lambda: "")
    monkeypatch.setattr(apt, "mirror", lambda: None)


@pytest.fixture
def authority(tmp_path: Path) -> str:
    return tls.make_authority("school").cert.decode()


# Proxies.


def test_proxies_are_taken_from_either_case() -> None:
    environment = {"HTTP_PROXY": "http://p:3128", "no_proxy": "localhost", "https_proxy": ""}
    assert internet.proxies(environment) == {
        "http_proxy": "http://p:3128",
        "no_proxy": "localhost",
    }


def test_apts_own_proxy_is_one_where_no_variable_names_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(apt, "proxy", lambda: "http://cache:3142")
    assert internet.proxies() == {"http_proxy": "http://cache:3142"}
    monkeypatch.setenv("HTTP_PROXY", "http://p:3128")
    assert internet.proxies() == {"http_proxy": "http://p:3128"}


def test_builds_are_told_in_both_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://p:3128")
    monkeypatch.setenv("no_proxy", "intranet")
    assert internet.arguments() == {
        "https_proxy": "http://p:3128",
        "HTTPS_PROXY": "http://p:3128",
        "no_proxy": "intranet",
        "NO_PROXY": "intranet",
    }


@pytest.mark.parametrize(
    ("proxy", "network"),
    [
        ("http://127.0.0.1:3128", "host"),
        ("localhost:3128", "host"),
        ("http://me:word@[::1]:3128/", "host"),
        ("http://proxy.example.org:3128", "default"),
        ("http://[", "default"),
    ],
)
def test_a_proxy_on_loopback_is_reached_from_the_machines_own_network(
    proxy: str, network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert internet.network() == "default"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert internet.network() == "default"
    monkeypatch.setenv("http_proxy", proxy)
    assert internet.network() == network


# Authorities.


def public() -> str:
    return Path(requests.utils.DEFAULT_CA_BUNDLE_PATH).read_text()


def test_only_authorities_that_are_not_everybodys_are_handed_over(
    authority: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "all.pem"
    broken = authority.replace("MII", "M!I", 1)
    file.write_text(f"{public()}\n# the school\n{authority}{broken}{authority}")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    told = internet.arguments()
    assert set(told) == {internet.CARRIER}
    handed = gzip.decompress(base64.b64decode(told[internet.CARRIER])).decode()
    assert handed.strip() == authority.strip()

    file.write_text(public())
    assert internet.arguments() == {}


def test_the_script_in_the_base_gives_them_to_apt(
    authority: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run here, with its places moved: what it makes holds Debian's and ours, and the login."""
    file = tmp_path / "own.pem"
    file.write_text(authority)
    monkeypatch.setenv(internet.SETTING, str(file))
    monkeypatch.setenv("SWARMLAB_MIRROR", f"http://{LOGIN}@mirror.example.org:8080/debian")
    debian, made, login = tmp_path / "debian.crt", tmp_path / "made.crt", tmp_path / "login.conf"
    debian.write_text(tls.make_authority("debian").cert.decode())
    script = (recipe.folder("base") / "carried").read_text()
    for there, here in (
        ("/etc/ssl/certs/ca-certificates.crt", debian),
        ("/dev/shm/swarmlab-authorities.crt", made),
        ("/dev/shm/swarmlab-login.conf", login),
    ):
        assert there in script
        script = script.replace(there, str(here))
    subprocess.run(["sh", "-c", script], env=internet.arguments(), check=True)
    assert len(ssl.create_default_context(cadata=made.read_text()).get_ca_certs()) == 2
    wanted = f"machine http://mirror.example.org:8080 login ada password {PASSWORD}\n"
    assert login.read_text() == wanted and login.stat().st_mode & 0o777 == 0o600
    real = {"ftp_proxy": "http://real:21", "FTP_PROXY": "http://real:21"}
    subprocess.run(["sh", "-c", script], env=real, check=True)
    assert (made.read_text(), login.read_text()) == (debian.read_text(), "")
    debian.unlink()
    subprocess.run(["sh", "-c", script], env={}, check=True)
    assert (made.read_text(), login.read_text()) == ("", "")


# The login of an archive.


@pytest.mark.parametrize(
    ("address", "plain", "apts", "wgets"),
    [
        ("http://deb.example.org/debian", "http://deb.example.org/debian", "", ""),
        (
            f"https://{LOGIN}@deb.example.org/debian",
            "https://deb.example.org/debian",
            f"machine https://deb.example.org login ada password {PASSWORD}\n",
            f'machine deb.example.org login "ada" password "{PASSWORD}"',
        ),
        (
            "http://a%40b:x%22%5Cy@127.0.0.1:99/d/",
            "http://127.0.0.1:99/d/",
            'machine http://127.0.0.1:99 login a@b password x"\\y\n',
            'machine 127.0.0.1 login "a@b" password "x\\"\\\\y"',
        ),
    ],
)
def test_an_archives_login_goes_beside_its_address(
    address: str, plain: str, apts: str, wgets: str
) -> None:
    assert archive.plain(address) == plain
    assert (archive.for_apt(address), archive.for_wget(address)) == (apts, wgets)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://ada:planted%20word@x/debian", "cannot be given to apt"),
        ("http://ada:planted%0Aword@x/debian", "cannot be given to apt"),
        ("http://planted@x/debian", "cannot be given to apt"),
        ("http://ada:planted@[x/debian", "it is no address"),
    ],
)
def test_a_login_that_apt_cannot_have_is_told_without_it(
    address: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMLAB_MIRROR", address)
    with pytest.raises(ImageProblem, match=why) as caught:
        internet.arguments()
    assert "planted" not in f"{caught.value.message} {caught.value.hint} {caught.value.evidence}"


def test_builds_are_handed_the_login_and_reach_an_archive_on_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SWARMLAB_MIRROR", "http://127.0.0.1:3142/debian")
    assert internet.arguments() == {}
    assert internet.network() == "host"
    monkeypatch.setenv("SWARMLAB_MIRROR", f"http://{LOGIN}@deb.example.org/debian")
    told = internet.arguments()
    assert set(told) == {internet.LOGIN_CARRIER}
    assert PASSWORD not in str(told) and LOGIN not in str(told)
    assert internet.network() == "default"
    assert PASSWORD not in process.redact(f"401 for ada with {PASSWORD} or {LOGIN}")


def test_the_first_file_that_is_of_use_counts(authority: str, tmp_path: Path) -> None:
    good, empty = tmp_path / "good.pem", tmp_path / "empty.pem"
    good.write_text(authority)
    empty.write_text("nothing")
    environment = {
        "SSL_CERT_FILE": str(empty),
        "REQUESTS_CA_BUNDLE": str(tmp_path / "absent"),
        "CURL_CA_BUNDLE": str(good),
    }
    assert internet.bundle(environment) == good
    assert internet.bundle({}) is None


@pytest.mark.parametrize(
    ("content", "why"), [("nothing", "no certificate"), (None, "there is no such file")]
)
def test_a_setting_of_ours_that_is_of_no_use_is_told(
    content: str | None, why: str, tmp_path: Path
) -> None:
    file = tmp_path / "own.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ImageProblem, match=why) as caught:
        internet.bundle({internet.SETTING: str(file)})
    assert internet.SETTING in caught.value.hint


def test_more_than_a_variable_holds_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "own.pem"
    file.write_text("".join(tls.make_authority(f"a{n}").cert.decode() for n in range(3)))
    monkeypatch.setenv(internet.SETTING, str(file))
    monkeypatch.setattr(internet, "_MOST", 500)
    with pytest.raises(ImageProblem, match="too many"):
        internet.arguments()
    # The system's own bundle is no reason to build nothing.
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.delenv(internet.SETTING)
    assert internet.arguments() == {}


def test_programs_here_trust_what_swarmlab_was_told(
    authority: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert internet.trusted() == {}
    own, other = tmp_path / "own.pem", tmp_path / "other.pem"
    own.write_text(authority)
    other.write_text(authority)
    monkeypatch.setenv("SSL_CERT_FILE", str(own))
    monkeypatch.setenv("PIP_CERT", str(other))
    told = internet.trusted()
    assert told[internet.TRUSTED] == told["REQUESTS_CA_BUNDLE"] == str(own)
    assert "PIP_CERT" not in told, "what somebody chose for pip stays"
    monkeypatch.setenv(internet.SETTING, str(own))
    assert internet.trusted()["PIP_CERT"] == str(own)


# A proxy's password in words.


@pytest.mark.parametrize("proxy", [f"http://{LOGIN}@p:3128", f"{LOGIN}@p:3128"])
def test_the_password_of_a_proxy_is_hidden_wherever_it_stands(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PASSWORD in process.redact(f"word {PASSWORD}")
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    for said in (PASSWORD, LOGIN, proxy, quote(proxy, safe="")):
        hidden = process.redact(f"it said {said} to us")
        assert "planted" not in hidden, said
        assert hidden.startswith("it said ") and hidden.endswith(" to us")
        assert process.redact(hidden) == hidden


def test_a_build_whose_engine_is_lost_tells_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://{LOGIN}@p:3128")
    asked = requests.Request(
        "POST", "http://localhost/build", params={"buildargs": json.dumps(internet.arguments())}
    ).prepare()
    lost = engine.lost(requests.ConnectionError(f"Max retries exceeded with url: {asked.url}"))
    assert "/build" in lost.evidence
    assert "planted" not in str(lost)
    assert "proxy" not in str(lost)

    told: list[str] = []
    monkeypatch.setattr(verbose, "_tell", lambda what, seconds: told.append(what))
    elapsed = SimpleNamespace(total_seconds=lambda: 1.0)
    answer = SimpleNamespace(request=asked, status_code=200, elapsed=elapsed)
    verbose._answered(cast(Any, answer))
    assert told == ["POST http://localhost/build?buildargs=... -> 200"]


def test_what_a_build_prints_is_said_without_the_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", f"http://{LOGIN}@p:3128")
    lines = list(build._lines({"stream": f"asking {PASSWORD}\nvia http://{LOGIN}@p:3128\n"}))
    assert lines == ["asking ***", "via http://ada:***@p:3128"]
