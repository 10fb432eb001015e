"""Where packages come from: both of apt's formats, and the proxy settings."""

from __future__ import annotations

from pathlib import Path

from swarmlab.images import apt


def _apt(tmp_path: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_the_one_line_format_names_the_mirror(tmp_path: Path) -> None:
    folder = _apt(
        tmp_path,
        {
            "sources.list": (
                "# deb http://old.example.org/debian bookworm main\n"
                "deb-src http://src.example.org/debian bookworm main\n"
                "deb http://security.example.org/debian bookworm-security main\n"
                "deb [arch=amd64 signed-by=/k.gpg] http://mirror.example.org/debian/ bookworm "
                "main contrib  # ours\n"
            )
        },
    )
    assert apt.mirror(folder) == "http://mirror.example.org/debian"


def test_the_deb822_format_names_the_mirror(tmp_path: Path) -> None:
    folder = _apt(
        tmp_path,
        {
            "sources.list.d/a.sources": (
                "Enabled: no\nTypes: deb\nURIs: http://off.example.org/debian\n"
                "Suites: bookworm\nComponents: main\n"
            ),
            "sources.list.d/debian.sources": (
                "Types: deb deb-src\n# URIs: http://commented.example.org\n"
                "URIs: http://mirror.example.org/debian\nSuites: bookworm bookworm-updates\n"
                "Components: main\n non-free-firmware\nSigned-By: /k.gpg\n\n"
                "Types: deb\nURIs: http://mirror.example.org/debian-security\n"
                "Suites: bookworm-security\nComponents: main\n"
            ),
        },
    )
    found = apt.sources(folder)
    assert [source.uri for source in found] == [
        "http://mirror.example.org/debian",
        "http://mirror.example.org/debian-security",
    ]
    assert found[0].components == ("main", "non-free-firmware")
    assert apt.mirror(folder) == "http://mirror.example.org/debian"


def test_archives_of_other_software_are_no_mirror(tmp_path: Path) -> None:
    folder = _apt(
        tmp_path,
        {
            "sources.list.d/tool.list": "deb https://tool.example.org/apt stable tools\n",
            "sources.list.d/flat.list": "deb http://flat.example.org/apt ./\n",
            "sources.list.d/cd.list": "deb cdrom:[Debian]/ bookworm main\n",
        },
    )
    assert apt.mirror(folder) is None


def test_a_machine_without_apt_has_no_mirror(tmp_path: Path) -> None:
    assert apt.mirror(tmp_path / "absent") is None
