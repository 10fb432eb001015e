"""`swarmlab lab`: lint names everything at once, new makes what lints, schema prints the schema."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from swarmlab import linting, loader, scaffold
from swarmlab.errors import UsageError
from swarmlab.images.catalog import substitutions
from swarmlab.loading import schema
from swarmlab.loading.creating import leaves

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "docs" / "examples" / "hello-swarm"
CHAPTER = ROOT / "labs" / "service-discovery"


def swarmlab(*words: str, cwd: Path = ROOT, columns: int = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "swarmlab", *words],
        cwd=cwd,
        env={**os.environ, "COLUMNS": str(columns), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
    )


def lint(folder: Path) -> list[str]:
    return [str(one) for one in linting.lint(folder, images=substitutions("local")).problems]


def copied(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to / "lab")
    return to / "lab"


def edited(path: Path, *pairs: tuple[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("folder", [EXAMPLE, CHAPTER], ids=lambda path: path.name)
def test_the_labs_of_this_project_are_sound(folder: Path) -> None:
    done = swarmlab("lab", "lint", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{folder.name}: ")
    assert done.stdout.count("\n") == 1


def spoilt_everywhere(tmp_path: Path) -> Path:
    """The chapter's lab with something wrong in each kind of its files."""
    folder = copied(CHAPTER, tmp_path)
    edited(
        folder / "lab.yaml",
        ("check: consul.leader", "check: consul.leadr"),
        ("with: {node: swarm-1}", "with: {nod: swarm-1}"),
        ("    minutes: 12", "    minutes: soon"),
        ("  - number: 2\n", "  - number: 1\n"),
    )
    edited(folder / "diagrams.yaml", ("kind: person", "kind: cloud"))
    edited(folder / "handout.yaml", ("- term: agent", "- trem: agent"))
    (folder / "text" / "zh" / "05-consul-agents.md").unlink()
    return folder


def test_problems_of_every_file_are_named_at_once(tmp_path: Path) -> None:
    folder = spoilt_everywhere(tmp_path)
    found = lint(folder)
    for said in (
        "there is no check 'consul.leadr' (did you mean consul.leader",
        "minutes must be a number",
        "the step number 1 is used twice, first in line",
        "'cloud' is none of",
        "a term has no field 'trem' (did you mean term?)",
        "text/zh/05-consul-agents.md: the text of this step is missing",
    ):
        assert any(said in line for line in found), (said, found)
    assert all(line.split(":")[1].isdigit() for line in found if line[:5] != "text/"), found


def test_in_another_language_the_places_are_the_same_and_no_english_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = spoilt_everywhere(tmp_path)
    places, english = zip(*(line.split(": ", 1) for line in lint(folder)), strict=True)
    monkeypatch.setenv("SWARMLAB_LANG", "zh")
    done = swarmlab("lab", "lint", str(folder))
    *lines, count = done.stdout.splitlines()
    assert done.returncode == 2
    assert count == f"{len(english)} 个问题。"
    assert tuple(line.split(": ")[0] for line in lines) == tuple(f"{folder}/{p}" for p in places)
    for line in lines:
        said = line.split(": ", 1)[1]
        # Quoted is what stands in the file; names of fields and checks are as they are typed.
        assert re.search("[\u4e00-\u9fff]", said), said
        assert not re.search(r"\b(the|is|must|not|of|has|did|there)\b", said), said


def test_on_the_terminal_each_problem_is_one_line_however_narrow(tmp_path: Path) -> None:
    folder = copied(EXAMPLE, tmp_path)
    edited(folder / "lab.yaml", ("check: swarm.network", "check: swarm.netwrok"))
    done = swarmlab("lab", "lint", str(folder), columns=40)
    assert done.returncode == 2
    first, count = done.stdout.splitlines()
    assert first.startswith(f"{folder}/lab.yaml:") and "did you mean swarm.network" in first
    assert count == "1 problem."


def test_as_json(tmp_path: Path) -> None:
    folder = copied(EXAMPLE, tmp_path)
    edited(folder / "lab.yaml", ("replicas: 2}", "replicas: two}"))
    done = swarmlab("lab", "lint", "--json", cwd=folder)
    told = json.loads(done.stdout)
    assert done.returncode == 2
    assert (told["version"], told["lab"], told["sound"]) == (linting.LINT_VERSION, None, False)
    (problem,) = told["problems"]
    line = (folder / "lab.yaml").read_text(encoding="utf-8").splitlines()[problem["line"] - 1]
    assert problem["file"] == "lab.yaml" and line[problem["column"] - 1 :].startswith("two")
    assert "replicas must be a whole number" in problem["message"]
    told = json.loads(swarmlab("lab", "lint", "--json", str(EXAMPLE)).stdout)
    assert (told["lab"], told["sound"], told["steps"]) == ("hello-swarm", True, 3)


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    done = swarmlab("lab", "lint", str(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert "lab.yaml: cannot be read: No such file" in done.stdout


def test_no_file_of_this_machine_comes_along_with_a_lab(tmp_path: Path) -> None:
    """What lies in `files/` goes to the workstation, from where it can be sent anywhere."""
    lab = copied(EXAMPLE, tmp_path)
    (tmp_path / "secret").write_text("mine")
    files = lab / "files"
    (files / "deep").mkdir(parents=True)
    (files / "own.sh").write_text("echo own")
    (files / "same.sh").symlink_to("own.sh")
    assert lint(lab) == []
    (files / "deep" / "key").symlink_to(tmp_path / "secret")
    (files / "home").symlink_to(tmp_path)
    (files / "nothing").symlink_to("absent")
    os.mkfifo(files / "pipe")
    assert sorted(lint(lab)) == [
        "files/deep/key: the link leads out of the lab's files",
        "files/home: the link leads out of the lab's files",
        "files/nothing: the link leads out of the lab's files",
        "files/pipe: it is not a file",
    ]
    shutil.rmtree(files)
    files.symlink_to(tmp_path)
    assert lint(lab) == ["files: it is a link, and not a folder of the lab's own"]
    files.unlink()
    files.mkdir()
    with (files / "disk").open("wb") as file:
        file.truncate(17 << 20)
    assert lint(lab) == ["files: there are more than 500 files, or 16 MiB"]


def test_a_reset_is_typed_and_nothing_else(tmp_path: Path) -> None:
    """Checks of a reset would never be looked at, and one on the host would take the lab away."""
    lab = copied(EXAMPLE, tmp_path)
    text = (lab / "lab.yaml").read_text(encoding="utf-8")
    found = re.search(r"reset:\n( +)- ", text)
    assert found is not None
    more = f"{found[0]}where: host\n{found[1]}  checks: []\n{found[1]}  "
    (lab / "lab.yaml").write_text(text.replace(found[0], more, 1), encoding="utf-8")
    said = lint(lab)
    assert len(said) == 2
    for line, field in zip(said, ("where", "checks"), strict=True):
        assert f"reset 1 has no field '{field}'" in line


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("after: kill-one", "after: kil-one", "step 1 has no command 'kil-one' (did you mean"),
        ("step: diverge", "step: divrege", "'divrege' is no step (did you mean diverge"),
        ("name: one-configured", "name: one-configurd", "draws no 'one-configurd' (did you mean"),
    ],
)
def test_pictures_have_a_drawing_and_a_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    folder = copied(CHAPTER, tmp_path)
    edited(folder / "handout.yaml", (old, new))
    (found,) = lint(folder)
    assert said in found


# What leaves something behind needs a reset.


@pytest.mark.parametrize(
    ("run", "what"),
    [
        ("docker network create x", "docker network create"),
        ("docker -H tcp://a:1 network create x", "docker network create"),
        ("eval $(x)\n  docker service create \\\n --name a b", "docker service create"),
        ("for i in 1 2; do docker run -d x; done", "docker run"),
        ("A=1 docker container run x", "docker run"),
        ("true && docker-compose -f a.yml up -d b", "docker-compose up"),
        ("docker compose up", "docker compose up"),
        ("docker stack deploy -c a b", "docker stack deploy"),
        ("docker service scale -d a=3", "docker service scale"),
        ("docker node update --label-add a=b n", "docker node update"),
        ('curl -s -X PUT -d x "$IP/v1/kv/a"', "curl -X PUT"),
        ("curl -XPUT a", "curl -X PUT"),
        ("curl a | docker volume create", "docker volume create"),
        ("docker run --rm x true; docker run x", "docker run"),
        ("docker run --rm x", ""),
        ("docker run -it --rm x | cat", ""),
        ("docker ps; docker service ls", ""),
        ("# docker run x\nls", ""),
        ("echo docker run x", ""),
        ("docker service rm x", "docker service rm"),
        ("docker create x", "docker create"),
        ("docker network connect a b", "docker network connect"),
        ("docker swarm update --task-history-limit 0", "docker swarm update"),
        ("docker stop consul", "docker stop"),
        ("docker rm -f consul", "docker rm"),
        ("docker volume rm x", "docker volume rm"),
        ("docker-compose down", "docker-compose down"),
        ("if docker network create x; then true; fi", "docker network create"),
        ("while ! docker network create x; do true; done", "docker network create"),
        ("until docker start x; do true; done", "docker start"),
        ("sudo docker run x", "docker run"),
        ("sudo -u root docker stop x", "docker stop"),
        ("env -i A=b docker run x", "docker run"),
        ("docker ps -q | xargs -r docker kill", "docker kill"),
        ("docker-machine ssh swarm-1 docker run -d nginx", "docker run"),
        ("docker-machine ssh swarm-1 'sudo docker run -d nginx'", "docker run"),
        ("docker-machine ssh swarm-1 docker ps", ""),
        ("env docker ps", ""),
        ("docker start-it", ""),
        ("docker network created", ""),
        ("curl -X DELETE a", "curl -X DELETE"),
        ("curl -d x URL", "curl -d"),
        ("curl -sd x URL", "curl -sd"),
        ("curl --data-binary @f URL", "curl --data-binary"),
        ("curl -T f URL", "curl -T"),
        ("curl -G -d x URL", ""),
        ("curl -si URL -H 'A: d'", ""),
        ("curl '$A/v1/docker-flow-proxy/reconfigure?serviceName=a&port=1'", "curl .../reconfigure"),
        ("curl $A/v1/docker-flow-proxy/config", ""),
        ("curl -s a | jq -X PUT", ""),
    ],
)
def test_what_leaves_something_behind(run: str, what: str) -> None:
    assert leaves(run) == what


def test_a_step_that_leaves_something_behind_needs_a_reset(tmp_path: Path) -> None:
    folder = copied(EXAMPLE, tmp_path)
    text = (folder / "lab.yaml").read_text(encoding="utf-8")
    at = text.index("    reset:\n      - run: |\n          ./remove.sh service hello network")
    without = text[:at] + text[text.index("\n  - number: 2") :]
    (folder / "lab.yaml").write_text(without, encoding="utf-8")
    (found,) = lint(folder)
    line = text[: text.index("- id: create")].count("\n") + 1
    assert found == (
        f"lab.yaml:{line}:9: step 1, command 'create': `docker network create` leaves something"
        " behind, and the step has no reset (nor reset_covered_by) that takes it away"
    )


# A new lab.


def test_a_new_lab_lints_and_is_named_by_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "My First_Lab"
    done = swarmlab("lab", "new", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert lint(folder) == []
    assert loader.find(str(folder)).id == "my-first-lab"
    assert (folder / schema.NAME).read_text(encoding="utf-8") == schema.text()
    for path in done.stdout.splitlines()[1:-1]:
        assert (folder / path.strip()).is_file()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    scaffold.make(tmp_path / "one")
    edited(tmp_path / "one" / "lab.yaml", ("version", "version"))
    with pytest.raises(UsageError, match="there already"):
        scaffold.make(tmp_path / "one")
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="there already"):
        scaffold.make(tmp_path / "file")
    with pytest.raises(UsageError, match="cannot become the id"):
        scaffold.make(tmp_path / "___")
    done = swarmlab("lab", "new", str(tmp_path / "file" / "below"))
    assert done.returncode == 3
    assert "Traceback" not in done.stderr


def test_the_schema_is_printed() -> None:
    assert swarmlab("lab", "schema").stdout == schema.text()


def test_a_lab_is_found_by_id_or_folder(tmp_path: Path) -> None:
    assert loader.find("service-discovery").id == "service-discovery"
    assert loader.find(str(EXAMPLE)).id == "hello-swarm"
    with pytest.raises(UsageError, match="There is no lab"):
        loader.find("hello")
    with pytest.raises(UsageError, match="is no folder"):
        loader.find(str(tmp_path / "nowhere"))
