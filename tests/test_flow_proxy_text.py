"""flow-proxy's pure parts: settings, what is refused, the configuration's text, the answers."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

SOURCE = Path(__file__).resolve().parent.parent / "compose" / "images" / "flow-proxy"
MODULES = ("settings", "services", "configuration", "consul", "replies")
BASE = (SOURCE / "cfg" / "tmpl" / "haproxy.tmpl").read_text(encoding="utf-8")


def load() -> Any:
    """The program's modules; it lives outside the package because it runs in an image."""
    sys.path.insert(0, str(SOURCE))
    try:
        return SimpleNamespace(
            **{name: importlib.import_module(f"flow_proxy.{name}") for name in MODULES}
        )
    finally:
        sys.path.remove(str(SOURCE))


flow = load()


def service(**fields: Any) -> Any:
    wanted = {"name": "go-demo", "paths": ("/demo",), "port": "8080", **fields}
    return flow.services.Service(**wanted)


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("", ()),
        ("  ", ()),
        ("10.0.0.2:8500", ("http://10.0.0.2:8500",)),
        ("a:1 ,b:2, c:3", ("http://a:1", "http://b:2", "http://c:3")),
        ("http://swarm-1:8500/", ("http://swarm-1:8500",)),
        ("HTTPS://consul.example", ("https://consul.example",)),
        ("[::1]:8500", ("http://[::1]:8500",)),
        ("swarm_1.lab:8500", ("http://swarm_1.lab:8500",)),
    ],
)
def test_consul_addresses_are_split_and_stripped(text: str, addresses: tuple[str, ...]) -> None:
    assert flow.settings.consul_addresses(text) == addresses


@pytest.mark.parametrize(
    "text",
    [
        "swarm-1",
        "a:1,,b:2",
        "a:1,",
        "a:0",
        "a:65536",
        "a:b",
        ":8500",
        "a b:8500",
        "a:8500/path",
        "ftp://a:1",
        "http://",
        "http://user:secret@a:1",
        "http://a:1?x=y",
        "a:1\nb:2",
        "ü:1",
        "$IP:8500",
    ],
)
def test_a_wrong_consul_address_is_named(text: str) -> None:
    with pytest.raises(flow.settings.SettingsError, match="CONSUL_ADDRESS"):
        flow.settings.consul_addresses(text)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "0"),
        ("PORT", "http"),
        ("IP", "localhost"),
        ("SERVICE_NAME", "a/b"),
        ("PROXY_INSTANCE_NAME", "a b"),
        ("RESTORE_SECONDS", "soon"),
    ],
)
def test_a_wrong_setting_is_named(variable: str, value: str) -> None:
    with pytest.raises(flow.settings.SettingsError, match=variable):
        flow.settings.read({variable: value})


@pytest.mark.parametrize(
    ("mode", "swarm"), [("swarm", True), ("Service", True), ("default", False), ("", False)]
)
def test_modes(mode: str, swarm: bool) -> None:
    settings = flow.settings.read({"MODE": mode})
    assert settings.swarm is swarm
    assert settings.mode == (mode or "default")
    assert (settings.service_name, settings.instance_name) == ("proxy", "docker-flow")


def test_the_front_and_the_back_are_as_the_book_prints_them() -> None:
    parts = flow.configuration.snippet(service())
    assert parts.front == (
        "    acl url_go-demo8080 path_beg /demo\n    use_backend go-demo-be8080 if url_go-demo8080"
    )
    assert parts.back == ("backend go-demo-be8080\n    mode http\n    server go-demo go-demo:8080")


def test_domain_path_type_and_several_paths() -> None:
    wanted = service(paths=("/a", "/b"), domain="acme.com", path_type="path_end")
    assert flow.configuration.snippet(wanted).front == (
        "    acl url_go-demo8080 path_end /a path_end /b\n"
        "    acl domain_go-demo hdr_dom(host) -i acme.com\n"
        "    use_backend go-demo-be8080 if url_go-demo8080 domain_go-demo"
    )


def test_the_configuration_is_sorted_and_ends_with_one_new_line() -> None:
    snippets = {
        name: flow.configuration.snippet(service(name=name, port=port))
        for name, port in (("b", "1"), ("a", "2"))
    }
    text = flow.configuration.compose(BASE, snippets)
    marks = ["frontend services", "url_a2 ", "url_b1 ", "\nbackend a-be2", "\nbackend b-be1"]
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)
    assert text.endswith("server b b:1\n")
    assert "\n\n\n" not in text
    again = dict(reversed(list(snippets.items())))
    assert flow.configuration.compose(BASE, again) == text
    assert flow.configuration.compose(BASE, {}) == BASE.strip("\n") + "\n"


def test_two_services_never_share_a_rule() -> None:
    snippets = {
        name: flow.configuration.snippet(service(name=name, port=port))
        for name, port in (("a", "18080"), ("a1", "8080"))
    }
    with pytest.raises(flow.services.Refused, match="url_a18080"):
        flow.configuration.compose(BASE, snippets)


def test_the_folder_holds_exactly_what_was_accepted(tmp_path: Path) -> None:
    (tmp_path / "tmpl").mkdir()
    (tmp_path / "tmpl" / "haproxy.tmpl").write_text(BASE, encoding="utf-8")
    folder = flow.configuration.Folder(tmp_path)
    both = {n: flow.configuration.snippet(service(name=n)) for n in ("go-demo", "go-demo-db")}
    folder.propose(flow.configuration.compose(folder.base(), both))
    assert not folder.live.exists()
    folder.accept(both)
    assert folder.snippets() == both
    rest = {"go-demo-db": both["go-demo-db"]}
    folder.propose("refused")
    folder.discard()
    assert "url_go-demo8080" in folder.text()
    folder.propose(flow.configuration.compose(folder.base(), rest))
    folder.accept(rest)
    assert folder.snippets() == rest
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == [
        "go-demo-db-be.cfg",
        "go-demo-db-fe.cfg",
        "haproxy.cfg",
        "haproxy.tmpl",
    ]


def test_a_template_is_inserted_literally(tmp_path: Path) -> None:
    (tmp_path / "fe").write_text("    acl x path /&+\n", encoding="utf-8")
    (tmp_path / "be").write_text("backend x\n", encoding="utf-8")
    wanted = service(fe_template=str(tmp_path / "fe"), be_template=str(tmp_path / "be"))
    flow.services.check(wanted, tmp_path)
    assert flow.configuration.snippet(wanted).front == "    acl x path /&+"
    (tmp_path / "be").unlink()
    with pytest.raises(flow.configuration.TemplateError, match=r"Could not read the file .*be\nNo"):
        flow.configuration.snippet(wanted)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": "a"},
        {"name": "A1-b", "port": "65535"},
        {"paths": ("/a+b", "/c&d", "/e;f=g@h:i(1)!*~_.-")},
        {"paths": (".css",), "path_type": "path_end"},
        {"paths": ("^/a(b|c)$",), "path_type": "path_reg"},
        {"domain": "acme.com", "color": "blue"},
    ],
)
def test_what_is_allowed(fields: dict[str, Any], tmp_path: Path) -> None:
    flow.services.check(service(**fields), tmp_path)


# Any text at all: what is let through must stay one word of one line in HAProxy's eyes.
_BREAKERS = set(" \t\r\n\v\f\0\\\"'#%${},")


@given(st.text(max_size=300) | st.text('aZ09-./_ \n\t"#%,{$é', min_size=1, max_size=8))
def test_what_is_let_through_cannot_break_out(text: str) -> None:
    for field, value in (
        ("name", text),
        ("paths", (text,)),
        ("port", text),
        ("domain", text),
        ("color", text),
        ("path_type", text),
    ):
        try:
            flow.services.check(service(**{field: value}), Path("/consul_templates"))
        except flow.services.Refused:
            continue
        assert text.isascii()
        assert not _BREAKERS & set(text)
        assert not text.startswith("-")
        assert (
            flow.configuration.compose(
                BASE, {"x": flow.configuration.snippet(service(**{field: value}))}
            ).count("\n")
            <= BASE.count("\n") + 10
        )


def test_templates_outside_their_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    for file in ("/etc/passwd", f"{tmp_path}/../x", "relative", f"{tmp_path}/link"):
        with pytest.raises(flow.services.Refused):
            flow.services.check(service(fe_template=file, be_template=file), tmp_path)


def test_a_service_survives_the_store() -> None:
    wanted = service(
        paths=("/a", "/b"), domain="acme.com", color="blue", path_type="path", skip_check=True
    )
    stored = flow.consul.attributes(wanted)
    assert list(stored) == [
        "color",
        "path",
        "domain",
        "pathtype",
        "skipcheck",
        "consultemplatefepath",
        "consultemplatebepath",
        "port",
    ]
    values = {f"docker-flow/go-demo/{key}": value for key, value in stored.items()}
    assert flow.consul.service_of("go-demo", values, "docker-flow/go-demo/") == wanted


def test_the_answer_is_one_line_with_go_s_escapes() -> None:
    reply = flow.replies.Reply(400, 'a & <b> "é"\u2028', "x\ny", service_path=("/a",), mode="swarm")
    text = reply.json().decode()
    assert "\n" not in text
    assert 'a \\u0026 \\u003cb\\u003e \\"é\\"\\u2028' in text
    fields = json.loads(text)
    assert list(fields) == [
        "Status",
        "Message",
        "ServiceName",
        "ServiceColor",
        "ServicePath",
        "ServiceDomain",
        "ConsulTemplateFePath",
        "ConsulTemplateBePath",
        "PathType",
        "SkipCheck",
        "Mode",
        "Port",
        "Distribute",
    ]
    assert (fields["Status"], fields["ServicePath"]) == ("NOK", ["/a"])
    assert json.loads(flow.replies.Reply().json())["ServicePath"] is None
