"""The documents: the site builds strictly and without the network, no link leads nowhere, pages
made from the code are current, and no page promises a command that does not exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import typer.main

from swarmlab.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "examples" not in path.parts)
# Read in the repository itself, where no builder looks at their links.
LOOSE = sorted([*ROOT.glob("*.md"), *(ROOT / "compose").rglob("*.md")])

OFFLINE = """
import socket, sys
def refuse(*_a, **_k):
    raise SystemExit("building the documents asked the network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from mkdocs.__main__ import cli
cli()
"""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; building it with --strict fails on a link or anchor that is not there."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Links(HTMLParser):
    """Ids, links and what the browser fetches by itself, of one page."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.classes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        self.classes |= set(found.get("class", "").split())
        if "id" in found:
            self.ids.add(found["id"])
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and found.get("rel") not in ("canonical", "next", "prev"):
            self.fetched.append(found.get("href", ""))
        elif tag != "a":
            self.fetched += [found[key] for key in ("src", "data", "poster") if key in found]


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Links]:
    found = {}
    for path in sorted(site.rglob("*.html")):
        # Meant for a server, it names everything from the server's root.
        if path.name != "404.html":
            found[path] = Links()
            found[path].feed(path.read_text(encoding="utf-8"))
    return found


def test_every_page_is_built(pages: dict[Path, Links], site: Path) -> None:
    built = {path.relative_to(site).with_suffix("").as_posix() for path in pages}
    assert built == {path.relative_to(DOCS).with_suffix("").as_posix() for path in PAGES}


def test_no_link_of_the_site_leads_nowhere(pages: dict[Path, Links]) -> None:
    broken = []
    for page, found in pages.items():
        for link in found.links + found.fetched:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link.startswith("data:"):
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if target.is_dir():
                target /= "index.html"
            anchors = pages[target].ids if target in pages else set()
            if not target.is_file() or (parts.fragment and unquote(parts.fragment) not in anchors):
                broken.append(f"{page.name}: {link}")
    assert broken == []


def test_the_site_fetches_nothing_from_elsewhere(pages: dict[Path, Links], site: Path) -> None:
    for page, found in pages.items():
        outside = [one for one in found.fetched if re.match(r"(?:[a-z]+:)?//", one)]
        assert outside == [], page
        # The theme would fetch the program that draws these.
        assert "mermaid" not in found.classes, page
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", text), style


def test_the_search_works_from_a_folder(site: Path) -> None:
    assert "flow-proxy" in (site / "search" / "search_index.js").read_text(encoding="utf-8")
    home = (site / "index.html").read_text(encoding="utf-8")
    assert "assets/iframe-worker.js" in home
    assert (site / "assets" / "iframe-worker.js").is_file()


def test_pages_made_from_the_code_are_current() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/reference.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


def anchors(text: str) -> set[str]:
    """The anchors that a forge gives to the headings of a Markdown file."""
    plain = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    heads = re.findall(r"^#+ +(.+?) *$", plain, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("path", LOOSE, ids=name)
def test_no_link_of_the_repository_leads_nowhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        parts = urlsplit(link)
        if parts.scheme:
            continue
        target = path.parent / parts.path if parts.path else path
        assert target.exists(), link
        if parts.fragment:
            assert parts.fragment in anchors(target.read_text(encoding="utf-8")), link


def code(text: str) -> Iterator[str]:
    """Every line of the code blocks, and every piece of code within the prose."""
    for number, part in enumerate(re.split(r"^```.*$", text, flags=re.MULTILINE)):
        if number % 2:
            yield from part.replace("\\\n", " ").splitlines()
        else:
            yield from (" ".join(one.split()) for one in re.findall(r"`([^`]+)`", part))


def options(command: Any) -> set[str]:
    found = {"--help", "-h", "--install-completion", "--show-completion"}
    for param in command.params:
        found |= {*param.opts, *param.secondary_opts}
    return found


@pytest.mark.parametrize("path", [*LOOSE, *PAGES], ids=name)
def test_no_page_promises_a_command_that_does_not_exist(path: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for line in code(path.read_text(encoding="utf-8")):
        found = re.match(r"(?:\$ )?(?:\S*/)?make ([a-z-]+)(?: [A-Z]+=.*)?(?:$| +#)", line)
        if found:
            assert found[1] in targets, line
        # At the beginning, or within `$(...)`: elsewhere it is a word of prose or of a picture.
        found = re.search(r"(?:^|^\$ |\()(?:\S*/)?swarmlab((?: +[^\s)|;&#]+)+)", line)
        if found is None:
            continue
        command: Any = typer.main.get_command(app)
        for word in re.sub(r"[\[\]]", " ", found[1]).split():
            if word.startswith("-"):
                assert word.partition("=")[0] in options(command), line
            elif hasattr(command, "commands"):
                known = command.commands
                # A choice of commands or a word that stands for any: `COMMAND`, `up`, `down`.
                if word.isupper():
                    break
                assert word.rstrip(",") in known, line
                command = known[word.rstrip(",")]


def test_no_page_holds_a_place_that_was_to_be_filled() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    unfilled = {
        page.name: found
        for page in pages
        if (found := re.findall(r"@[A-Z]{4,}@", page.read_text(encoding="utf-8")))
    }
    assert unfilled == {}
