"""Where this machine gets its Debian packages, read from its own apt configuration."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from swarmlab import process
from swarmlab.errors import EnvironmentProblem

APT = Path("/etc/apt")


@dataclass(frozen=True)
class Source:
    """One archive that apt uses: address, suites and components."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]


def parse_one_line(text: str) -> Iterator[Source]:
    """The `deb` lines of a sources.list(5) file; options in brackets are left out."""
    for line in text.splitlines():
        words = re.sub(r"\[[^]]*\]", " ", line.split("#", 1)[0]).split()
        if len(words) >= 3 and words[0] == "deb":
            yield Source(words[1].rstrip("/"), (words[2],), tuple(words[3:]))


def parse_deb822(text: str) -> Iterator[Source]:
    """The enabled `deb` stanzas of a deb822 `.sources` file, see sources.list(5)."""
    text = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1].isspace():
                fields[name] = f"{fields.get(name, '')} {line.strip()}"
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields.get("enabled", "yes").lower() in {"no", "false", "off", "0"}:
            continue
        if "deb" in fields.get("types", "").split():
            for uri in fields.get("uris", "").split():
                yield Source(
                    uri.rstrip("/"),
                    tuple(fields.get("suites", "").split()),
                    tuple(fields.get("components", "").split()),
                )


def sources(apt: Path = APT) -> list[Source]:
    """All archives that the machine's apt uses, in its order; empty where there is no apt."""
    found: list[Source] = []
    plain = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]
    for path in plain:
        if path.is_file():
            found.extend(parse_one_line(path.read_text(encoding="utf-8", errors="replace")))
    for path in sorted((apt / "sources.list.d").glob("*.sources")):
        found.extend(parse_deb822(path.read_text(encoding="utf-8", errors="replace")))
    return found


def of_debian(release: Path = Path("/etc/os-release")) -> bool:
    """Whether this machine's apt is that of Debian itself, by os-release(5).

    The archives of its derivatives (Ubuntu, say) do not hold Debian's suites.
    """
    try:
        text = release.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return re.search(r"""^ID=["']?debian["']?\s*$""", text, re.MULTILINE) is not None


def mirror(apt: Path = APT) -> str | None:
    """The address of the machine's main Debian archive, None when it has none.

    Security, updates and backports live in other suites and often in other archives, so they
    do not count.
    """
    for source in sources(apt):
        plain = [suite for suite in source.suites if "-" not in suite and "/" not in suite]
        if plain and "main" in source.components and source.uri.startswith(("http://", "https://")):
            return source.uri
    return None


def proxy() -> str:
    """The HTTP proxy that apt's own configuration names, empty when it names none."""
    if not shutil.which("apt-config"):
        return ""
    try:
        shown = process.run(["apt-config", "shell", "proxy", "Acquire::http::Proxy"], timeout=10)
    except EnvironmentProblem:
        return ""
    match = re.match(r"proxy='([^']*)'", shown.stdout)
    value = match.group(1) if match else ""
    return "" if value == "DIRECT" else value
