"""What builds need to reach packages: proxies, authorities of the machine's own, a mirror's login.

None of them may stay in an image. Docker's builder keeps the variables of proxies, and no others,
out of an image's settings and of its history; so the others travel in such variables, too, and lie
in memory while a build's container runs (`compose/images/base/carried`).
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import ipaddress
import os
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from swarmlab.errors import ImageProblem
from swarmlab.images import apt, archive
from swarmlab.words import say

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
SETTING = "SWARMLAB_CA_BUNDLE"
AUTHORITIES = (SETTING, "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""The variables that may name a file of certificate authorities, the first that counts first."""

TRUSTED = "SWARMLAB_AUTHORITIES"
"""By this name make.sh hears of the bundle, whoever named it."""

CARRIER = "ftp_proxy"
"""The proxy variable that carries the authorities: nothing that a build runs speaks FTP."""

LOGIN_CARRIER = "FTP_PROXY"
"""The one that carries the login of the Debian archive."""

# Linux takes no variable longer than 128 KiB.
_MOST = 120_000
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.S)


def proxies(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The machine's proxies by their small names, empty when it has none.

    Environment variables come first, in either case; then apt's own `Acquire::http::Proxy`.
    """
    env = os.environ if environment is None else environment
    found: dict[str, str] = {}
    for name in PROXIES:
        value = env.get(name) or env.get(name.upper())
        if value:
            found[name] = value
    if environment is None and "http_proxy" not in found and (proxy := apt.proxy()):
        found["http_proxy"] = proxy
    return found


def bundle(environment: Mapping[str, str] | None = None) -> Path | None:
    """The file of authorities that this machine was told to trust, None when it was told none.

    Raises ImageProblem when SWARMLAB_CA_BUNDLE names a file that is of no use; of the other
    variables, which are not meant for swarmlab alone, the first that is of use counts.
    """
    env = os.environ if environment is None else environment
    for name in AUTHORITIES:
        if value := env.get(name):
            path = Path(value)
            why = unfit(path)
            if not why:
                return path
            if name == SETTING:
                raise ImageProblem(
                    say(
                        "The certificate authorities in {path} are of no use: {why}.",
                        path=path,
                        why=why,
                    ),
                    hint=say("Let {setting} name a PEM file, or unset it.", setting=SETTING),
                )
    return None


def own(path: Path) -> str:
    """The certificates of a file of authorities that are not known to everybody, as PEM."""
    from requests.utils import DEFAULT_CA_BUNDLE_PATH

    public = _by_content(Path(DEFAULT_CA_BUNDLE_PATH))
    fresh = _by_content(path)
    return "".join(f"{pem}\n" for content, pem in fresh.items() if content not in public)


def arguments() -> dict[str, str]:
    """Build arguments that lead a build to the Internet as this machine goes there.

    Raises ImageProblem for authorities, and a login, that cannot be handed over.
    """
    found = {each: url for name, url in proxies().items() for each in (name, name.upper())}
    if login := archive.for_apt(archive.address()):
        found[LOGIN_CARRIER] = _packed(login)
    path = bundle()
    if path is not None and (mine := own(path)):
        packed = _packed(mine)
        if len(packed) <= _MOST:
            found[CARRIER] = packed
        elif os.environ.get(SETTING):
            # Of the other variables such a bundle is the system's own, and rarely needed here.
            raise ImageProblem(
                say(
                    "{path} holds too many certificate authorities of its own to hand to a build.",
                    path=path,
                ),
                hint=say(
                    "Let SWARMLAB_CA_BUNDLE name a file with those alone that "
                    "sign for the package archive."
                ),
            )
    return found


def trusted() -> dict[str, str]:
    """The bundle for programs on this machine, by the names that they know; empty without one."""
    path = bundle()
    if path is None:
        return {}
    told = [*AUTHORITIES, "PIP_CERT"]
    if not os.environ.get(SETTING):
        told = [name for name in told if not os.environ.get(name)]
    return dict.fromkeys((*told, TRUSTED), str(path.absolute()))


def network() -> str:
    """The network for builds: the engine machine's own where the way out begins on loopback."""
    urls = [url for name, url in proxies().items() if name != "no_proxy"]
    hosts = map(_host, [*urls, archive.address()])
    return "host" if any(_loopback(host) for host in hosts) else "default"


def _packed(text: str) -> str:
    return base64.b64encode(gzip.compress(text.encode())).decode("ascii")


def _host(url: str) -> str:
    try:
        return urlsplit(url if "://" in url else f"http://{url}").hostname or ""
    except ValueError:
        return ""


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _certificates(path: Path) -> list[str]:
    return _CERTIFICATE.findall(path.read_text(encoding="utf-8", errors="replace"))


def _by_content(path: Path) -> dict[bytes, str]:
    """The certificates of a file, in whichever way they are written; broken ones are left out."""
    found: dict[bytes, str] = {}
    for pem in _certificates(path):
        with contextlib.suppress(ValueError):
            found[ssl.PEM_cert_to_DER_cert(pem)] = pem
    return found


def unfit(path: Path) -> str:
    """Why a file of authorities is of no use, in words; empty when it is of use."""
    try:
        return "" if _certificates(path) else say("it holds no certificate (PEM)")
    except FileNotFoundError:
        return say("there is no such file")
    except PermissionError:
        return say("you may not read it")
    except IsADirectoryError:
        return say("it is a folder")
    except OSError as error:
        return error.strerror or say("it cannot be read")
