"""Where a lab's images come from: said, remembered, told to nodes, and refused when it changes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from swarmlab import labels, loader
from swarmlab.cluster import history, memory, pulling, refusing, remains, workstation
from swarmlab.cluster.workspace import LabWorkspace
from swarmlab.errors import EngineUnreachable, EnvironmentProblem, ImageProblem, UsageError
from swarmlab.images import refusal, sources, transfer, trust
from swarmlab.images.catalog import substitutions
from swarmlab.images.registry import Registry, parse
from swarmlab.images.sources import Sources
from swarmlab.model import Lab
from swarmlab.progress import SilentProgress
from swarmlab.providers.dind import Dind
from swarmlab.providers.registry import Choice
from swarmlab.size import Size

PLACE = Registry("10.0.0.5:5000", "class", plain=True)
FULL = Sources("upstream", PLACE, "http://10.0.0.6:5001")


@pytest.fixture(autouse=True)
def _nothing_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SWARMLAB_CATALOG", "SWARMLAB_REGISTRY", "SWARMLAB_REGISTRY_MIRROR"):
        monkeypatch.delenv(name, raising=False)


def test_the_command_line_counts_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sources.wanted() == sources.USUAL
    monkeypatch.setenv("SWARMLAB_CATALOG", "upstream")
    monkeypatch.setenv("SWARMLAB_REGISTRY", "http://10.0.0.5:5000/class")
    monkeypatch.setenv("SWARMLAB_REGISTRY_MIRROR", "http://10.0.0.6:5001/")
    assert sources.wanted() == FULL
    given = sources.asked("local", "x.org")
    assert given == Sources("local", Registry("x.org"))
    assert sources.wanted(given) == Sources("local", Registry("x.org"), FULL.mirror)
    with pytest.raises(UsageError, match="no image catalog 'nope'"):
        sources.asked("nope")


def test_a_lab_remembers_where_its_images_come_from() -> None:
    sixth = Sources(registry=Registry("[fd00::5]:5000", "class", plain=True))
    for one in (FULL, Sources("upstream"), Sources(registry=PLACE), Sources("local"), sixth):
        listed: list[dict[str, Any]] = [{"Labels": None}, {"Labels": {"x": "y", **one.marks}}]
        assert sources.told(listed) == one
    assert sources.USUAL.marks == {}
    assert sources.told([{"Labels": {}}]) == sources.USUAL


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"registry": "?"}', '{"registry": 7}'])
def test_a_label_of_another_version_is_no_error(text: str) -> None:
    assert sources.told([{"Labels": {labels.IMAGES: text}}]) == sources.USUAL


def test_originals_come_by_way_of_the_registry_under_their_full_names() -> None:
    own = substitutions("upstream")
    assert Sources("upstream").names() == own
    assert FULL.names()["go-demo"] == "10.0.0.5:5000/class/vfarcic/go-demo:1.0"
    assert set(FULL.pulled) == set(FULL.names().values())
    # Those built here keep the names that the nodes hold them under.
    assert Sources(registry=PLACE).names() == substitutions()
    assert Sources(registry=PLACE).pulled == ()


def test_every_original_has_a_full_tag() -> None:
    for image in substitutions("upstream").values():
        name, _, tag = image.rpartition(":")
        assert "/" not in tag
        assert name
        assert tag != "latest"


def test_a_lab_is_loaded_with_its_images() -> None:
    lab = loader.load_builtin("service-discovery", sources=FULL)
    typed = "\n".join(command.run for step in lab.steps for command in step.commands)
    assert lab.catalog == "upstream"
    assert "10.0.0.5:5000/class/vfarcic/docker-flow-proxy:1.104" in typed
    assert "swarmlab/go-demo" not in typed


def test_remains_tell_of_the_images_by_network_or_node() -> None:
    network = [{"Name": "swarmlab-demo", "Labels": FULL.marks}]
    assert remains.read([], [], network).sources == FULL
    node = {"Names": ["/n"], "Labels": {labels.ROLE: "other", **FULL.marks}, "State": "running"}
    assert remains.read([node]).sources == FULL
    assert remains.read([], []).sources == sources.USUAL


def test_all_that_a_provider_makes_bears_the_label() -> None:
    made: list[dict[str, Any]] = []
    api = SimpleNamespace(create_container_from_config=lambda config, name: made.append(config))
    engine: Any = SimpleNamespace(client=SimpleNamespace(api=api))
    provider = Dind(engine, "demo", image=lambda: "node", size=Size(1))
    provider.remember = FULL.marks
    provider.subnet = IPv4Network("10.9.0.0/24")
    provider.create("swarm-1")
    assert sources.told(made) == FULL
    assert provider.marks == FULL.marks


def test_the_compose_file_uses_the_catalogs_consul(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []
    api = SimpleNamespace(create_container_from_config=lambda config, name: made.append(config))
    engine: Any = SimpleNamespace(client=SimpleNamespace(api=api))
    monkeypatch.setattr(history, "give", lambda client, lab: None)
    for where in (sources.USUAL, Sources("upstream")):
        workstation.create(
            engine, "demo", image="i", address="10.9.0.2", nodes={}, managers=(), instance="x",
            sources=where,
        )  # fmt: skip
    consul = [[one for one in each["Env"] if one.startswith("CONSUL_IMAGE=")] for each in made]
    assert consul == [[], ["CONSUL_IMAGE=hashicorp/consul:1.15.4"]]


@pytest.mark.parametrize(
    ("has", "wanted"),
    [
        (Sources("upstream"), Sources("local")),
        (sources.USUAL, Sources("upstream")),
        (FULL, Sources(registry=Registry("x.org"))),
        (Sources(registry=PLACE), Sources(registry=Registry("x.org"))),
        (sources.USUAL, Sources(registry=PLACE)),
        (sources.USUAL, Sources(mirror="http://10.0.0.6:5001")),
    ],
)
def test_the_images_of_a_lab_are_not_changed(
    has: Sources, wanted: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SWARMLAB_CATALOG", raising=False)
    with pytest.raises(UsageError, match="was made with") as caught:
        refusing.other_images("demo", has, wanted)
    assert f"made with {has}, not catalog" in caught.value.message
    assert str(wanted.registry or "") in caught.value.message
    assert "`swarmlab down`" in caught.value.hint


@pytest.mark.parametrize(
    ("variable", "wanted", "first", "anew"),
    [
        ("", Sources("upstream"), "Leave --catalog away", "--catalog upstream"),
        ("local", Sources("upstream"), "Leave --catalog away", "--catalog upstream"),
        (" upstream ", Sources("upstream"), "unset SWARMLAB_CATALOG", ""),
        (
            "upstream",
            Sources("upstream", PLACE),
            "unset SWARMLAB_CATALOG",
            f"--registry {PLACE}",
        ),
        (
            "",
            Sources("upstream", PLACE, "http://10.0.0.6:5001"),
            "Leave --catalog and --registry and --registry-mirror away",
            f"--catalog upstream --registry {PLACE} --registry-mirror http://10.0.0.6:5001",
        ),
    ],
)
def test_who_asks_for_other_images_hears_who_asked_and_both_ways_on(
    variable: str, wanted: Sources, first: str, anew: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMLAB_CATALOG", variable)
    with pytest.raises(UsageError) as caught:
        refusing.other_images("demo", sources.USUAL, wanted)
    hint = caught.value.hint
    assert first in hint.partition(".")[0]
    assert ("Leave --" in hint) == bool(anew)
    assert f"`swarmlab up{' ' * bool(anew)}{anew}` makes it anew" in hint
    assert ("--catalog" in hint) == (variable.strip() != "upstream")


@pytest.mark.parametrize(
    ("has", "wanted"),
    [
        (FULL, None),
        (FULL, sources.USUAL),
        (FULL, Sources("upstream")),
        (sources.USUAL, Sources("local")),
        (FULL, FULL),
        (FULL, Sources(registry=PLACE)),
    ],
)
def test_what_is_not_asked_stays_as_it_is(has: Sources, wanted: Sources | None) -> None:
    refusing.other_images("demo", has, wanted)


@pytest.mark.parametrize(
    ("has", "variables", "told"),
    [
        (FULL, {"SWARMLAB_REGISTRY": "x.org"}, True),
        (Sources(registry=PLACE), {"SWARMLAB_REGISTRY": "x.org"}, True),
        (sources.USUAL, {"SWARMLAB_REGISTRY_MIRROR": "http://10.0.0.6:5001"}, True),
        # From where its own images would come when one is missing.
        (sources.USUAL, {"SWARMLAB_REGISTRY": "x.org"}, False),
        (FULL, {"SWARMLAB_REGISTRY": str(PLACE)}, False),
        (FULL, {}, False),
    ],
)
def test_a_lab_that_keeps_its_registry_says_so(
    has: Sources, variables: dict[str, str], told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable set in a profile later on must not stop a lab from being mended."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    there = replace(remains.read([]), sources=has)
    for given in (None, sources.USUAL):
        said = refusing.kept("demo", there, None, given)
        assert [str(has) in note for note in said] == [True] * told


def test_engines_of_others_are_not_set_up() -> None:
    elsewhere = Choice("hosts")
    refusing.registries(elsewhere, Sources("upstream"))
    refusing.registries(Choice(), FULL)
    for one in (Sources(registry=PLACE), Sources(mirror="https://m.org")):
        with pytest.raises(UsageError, match="hosts"):
            refusing.registries(elsewhere, one)


class Asked:
    """An engine that lists what it is given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, listed: list[dict[str, Any]]) -> None:
        api = SimpleNamespace(networks=lambda filters: listed, containers=lambda all, filters: [])
        client = SimpleNamespace(api=api, close=lambda: None)
        monkeypatch.setattr("swarmlab.engine.connect", lambda: SimpleNamespace(client=client))


def test_later_commands_agree_with_the_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    Asked(monkeypatch, [{"Labels": FULL.marks}])
    assert memory.images("demo") == FULL
    assert memory.images("demo", "upstream") == FULL
    with pytest.raises(UsageError, match="not catalog local"):
        memory.images("demo", "local")


def test_without_a_lab_what_is_asked_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    Asked(monkeypatch, [])
    assert memory.images("demo", "upstream") == Sources("upstream")

    def nothing() -> None:
        raise EngineUnreachable("no engine")

    monkeypatch.setattr("swarmlab.engine.connect", nothing)
    assert memory.images("demo") == sources.USUAL


def test_steps_of_other_images_are_not_run_on_a_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []
    there = SimpleNamespace(sources=FULL, complete=True, close=lambda: closed.append(True))
    monkeypatch.setattr("swarmlab.cluster.lifecycle.find", lambda name: there)
    workspace = LabWorkspace("demo", Lab("lab", "Lab", "1", (), Path()))
    with pytest.raises(UsageError, match="was made with catalog upstream"):
        workspace.present()
    assert closed == [True]


def test_a_plain_lab_tells_its_nodes_nothing(tmp_path: Path) -> None:
    assert trust.files(sources.USUAL, tmp_path) == {}
    assert trust.files(Sources(registry=Registry("x.org")), tmp_path) == {}


def test_nodes_are_told_of_a_mirror_of_whom_to_believe_and_of_no_other(tmp_path: Path) -> None:
    for host in ("10.0.0.5:5000", "10.0.0.6:5001", "other.org"):
        (tmp_path / host).mkdir()
        (tmp_path / host / "ca.crt").write_bytes(host.encode())
        (tmp_path / host / "client.key").write_bytes(b"secret")
    assert trust.files(FULL, tmp_path) == {
        trust.FLAGS: b"--insecure-registry=10.0.0.5:5000\n--registry-mirror=http://10.0.0.6:5001\n",
        "/etc/docker/certs.d/10.0.0.5:5000/ca.crt": b"10.0.0.5:5000",
        "/etc/docker/certs.d/10.0.0.6:5001/ca.crt": b"10.0.0.6:5001",
    }


def _looping(folder: Path) -> Path:
    """A path that nobody can read, not even root."""
    folder.symlink_to(folder)
    return folder


def test_what_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    asked = Sources(registry=Registry("x.org"))
    there = _looping(tmp_path / "x.org")
    with pytest.raises(EnvironmentProblem, match=f"{there} cannot be read") as caught:
        trust.files(asked, tmp_path)
    assert f"sudo chmod a+rX {there}" in caught.value.hint
    there.unlink()
    there.mkdir()
    certificate = _looping(there / "ca.crt")
    with pytest.raises(EnvironmentProblem, match=f"{certificate} cannot be read"):
        trust.files(asked, tmp_path)


def test_what_cannot_be_read_is_told_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from swarmlab.cluster import lifecycle

    _looping(tmp_path / "x.org")
    read = trust.files
    monkeypatch.setattr(trust, "files", lambda asked: read(asked, tmp_path))
    for name in ("stock.of", "registry.make"):
        monkeypatch.setattr(
            f"swarmlab.cluster.lifecycle.{name}", lambda *_, **__: pytest.fail("something is made")
        )
    asked = Sources(registry=Registry("x.org"))
    engine: Any = None
    with pytest.raises(EnvironmentProblem, match="cannot be read"):
        lifecycle._anew(
            "demo", engine, Size(3), "auto", SilentProgress(), "", Choice(), asked
        )  # fmt: skip


def test_whoever_goes_without_tls_is_told_so() -> None:
    warned = trust.warnings(FULL)
    assert ["10.0.0.5:5000" in one for one in warned] == [True, False]
    assert all("without TLS" in one for one in warned)
    safe = Sources(registry=Registry("10.0.0.5:5000"), mirror="https://m.org")
    assert trust.warnings(safe) == []
    assert trust.warnings(Sources(mirror="http://127.0.0.1:5000")) == []


class Nodes:
    """A cluster whose engines hold some images and pull others, or fail to."""

    name = "demo"
    nodes = ("swarm-1", "swarm-2")
    sources = Sources("upstream")
    provider = SimpleNamespace(contained=True)

    def __init__(self, monkeypatch: pytest.MonkeyPatch, refused: str = "") -> None:
        self.pulled: list[tuple[str, str, str]] = []
        first = self.sources.pulled[0]
        self.held = {"swarm-1": [first], "swarm-2": list(self.sources.pulled)}

        def pull(
            engine: Any, reference: str, *, whose: refusal.Asker, own: bool, **more: Any
        ) -> None:
            if reference == refused:
                raise ImageProblem(f"no {reference}")
            assert not own
            more["tell"]("3 of 9 MB")
            self.pulled.append((engine.node, reference, whose.name))
            assert whose.contained

        monkeypatch.setattr(transfer, "pull", pull)

    def engine(self, node: str) -> Any:
        listed = [{"RepoTags": self.held[node]}, {"RepoTags": None}]
        return SimpleNamespace(node=node, api=SimpleNamespace(images=lambda: listed))


def test_each_node_pulls_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    there: Any = Nodes(monkeypatch)
    pulling.ensure(there, SilentProgress())
    wanted = there.sources.pulled[1:]
    assert there.pulled == [("swarm-1", image, "swarm-1") for image in wanted]


def test_a_pull_that_fails_on_a_node_fails_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    there: Any = Nodes(monkeypatch, refused="mongo:3.2.10")
    with pytest.raises(ImageProblem, match=r"mongo:3\.2\.10"):
        pulling.ensure(there, SilentProgress())


def test_nodes_with_swarmlabs_own_images_pull_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    there: Any = Nodes(monkeypatch)
    there.sources = sources.USUAL
    there.engine = None
    pulling.ensure(there, SilentProgress())


@pytest.mark.parametrize(
    "asked",
    [
        Sources("upstream", Registry("127.0.0.1:5000", "class")),
        Sources("upstream", Registry("localhost:5000", "class", plain=True)),
        Sources(mirror="http://127.0.0.1:5001"),
        Sources("upstream", Registry("[::1]:5000", "class")),
        Sources(mirror="http://[0:0::1]"),
    ],
)
def test_no_node_is_sent_to_itself(asked: Sources) -> None:
    with pytest.raises(UsageError, match="for each of them that is itself"):
        refusing.registries(Choice(), asked)


@pytest.mark.parametrize(
    "asked",
    [Sources("upstream", Registry("[fd00::5]:5000")), Sources(mirror="https://[fd00::5]:5001")],
)
def test_no_node_is_sent_to_an_ipv6_address(asked: Sources) -> None:
    with pytest.raises(UsageError, match="a lab's network has IPv4 alone"):
        refusing.registries(Choice(), asked)
    # The engine that makes the nodes may have such a way, and machines of one's own.
    refusing.registries(Choice(), replace(asked, catalog="", mirror=""))
    refusing.registries(Choice("hosts"), replace(asked, mirror=""))


def test_images_of_swarmlabs_own_may_come_from_this_machine() -> None:
    refusing.registries(Choice(), Sources(registry=Registry("127.0.0.1:5000", "class")))
    refusing.registries(Choice(), FULL)


def test_docker_hub_has_no_copies_of_itself() -> None:
    with pytest.raises(UsageError, match="no copies of the originals"):
        refusing.registries(Choice(), Sources("upstream", Registry("docker.io", "anna")))


def test_an_engine_that_cannot_be_reached_is_no_silent_registry() -> None:
    from requests.exceptions import ConnectTimeout, ReadTimeout

    lost = EngineUnreachable("x")
    lost.__cause__ = ConnectTimeout()
    assert not transfer._timed_out(lost)
    lost.__cause__ = ReadTimeout()
    assert transfer._timed_out(lost)


def test_after_a_push_of_some_the_advice_takes_just_those(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from swarmlab.report import images

    place = Registry("10.0.0.5:5000", "class")
    one = place.own("util", "abc", "amd64")
    images.pushed([one], place)
    assert "swarmlab images pull util --registry 10.0.0.5:5000/class" in capsys.readouterr().out
    both = [place.own(name, "abc", "amd64") for name in ("loaded-node", "workstation")]
    images.pushed(both, place)
    assert "swarmlab up --registry 10.0.0.5:5000/class" in capsys.readouterr().out


def test_a_proxy_of_the_engine_is_not_the_registrys_fault() -> None:
    from swarmlab.images import refusal

    said = "proxyconnect tcp: dial tcp: lookup proxy.corp: no such host"
    error = refusal.explained("h:5/class/util:x", said)
    assert "by way of a proxy" in error.message and "NO_PROXY" in error.hint


def test_docker_hub_is_known_however_it_is_written() -> None:
    with pytest.raises(UsageError, match="an account's name"):
        parse("Docker.io")
    assert parse("Docker.io/anna").hub and not parse("x.org/anna").hub
