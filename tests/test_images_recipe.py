"""Keys of images: equal content gives equal keys, and every real change another one."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from swarmlab import resources
from swarmlab.errors import EnvironmentProblem, UsageError
from swarmlab.images import builder, catalog, context, recipe


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A compose folder with a small context for every image, in place of the real one."""
    compose = tmp_path / "compose"
    for spec in catalog.load().images.values():
        folder = compose / "images" / spec.folder
        folder.mkdir(parents=True)
        (folder / "Dockerfile").write_text(f"FROM base\nRUN echo {spec.name}\n")
    (compose / "images" / "base").mkdir()
    (compose / "images" / "base" / "make.sh").write_text("#!/bin/sh\n")
    monkeypatch.setattr(resources, "compose_dir", lambda: compose)
    return compose / "images"


def test_a_reference_is_name_and_twelve_hex_digits(sources: Path) -> None:
    name, _, key = builder.reference("util").partition(":")
    assert name == "swarmlab/util"
    assert len(key) == 12
    assert set(key) <= set("0123456789abcdef")
    assert builder.reference("util") == builder.reference("util")


def test_a_change_moves_the_image_and_what_holds_it_only(sources: Path) -> None:
    before = {name: recipe.reference(name) for name in recipe.names()}
    (sources / "util" / "extra").write_text("new")
    after = {name: recipe.reference(name) for name in recipe.names()}
    assert {name for name in before if before[name] != after[name]} == {"util", "loaded-node"}


def test_the_base_moves_everything(sources: Path) -> None:
    before = {name: recipe.reference(name) for name in recipe.names()}
    (sources / "base" / "make.sh").write_text("#!/bin/sh\ntrue\n")
    assert all(recipe.reference(name) != before[name] for name in before)


def test_build_arguments_belong_to_the_key(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = recipe.reference("consul")
    known = catalog.load()
    args = {**known.images["consul"].args, "VERSION": "other"}
    spec = catalog.ImageSpec("consul", "consul", "v", "s", args=args)
    other = catalog.Catalog(
        known.base_image, known.suite, {**known.images, "consul": spec}, known.catalogs
    )
    monkeypatch.setattr(catalog, "load", lambda: other)
    assert recipe.reference("consul") != before


def test_what_tools_leave_behind_does_not_count(sources: Path) -> None:
    before = recipe.reference("util")
    for name in ("__pycache__/a.pyc", "deep/__pycache__/b.pyc", ".mypy_cache/c"):
        path = sources / "util" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (sources / "util" / "Dockerfile").touch()
    assert recipe.reference("util") == before


def test_the_executable_bit_counts(sources: Path) -> None:
    before = recipe.reference("util")
    (sources / "util" / "Dockerfile").chmod(0o755)
    assert recipe.reference("util") != before


def test_dockerignore_keeps_files_out(sources: Path) -> None:
    folder = sources / "util"
    (folder / ".dockerignore").write_text("# notes\nnotes\n*.log\n")
    before = context.digest(folder)
    (folder / "notes").mkdir()
    (folder / "notes" / "a").write_text("a")
    (folder / "b.log").write_text("b")
    assert context.digest(folder) == before
    assert [str(name) for name in context.files(folder)] == [".dockerignore", "Dockerfile"]


def test_equal_content_gives_equal_tars(tmp_path: Path) -> None:
    tars = []
    for number, mask in enumerate((0o022, 0o077)):
        folder = tmp_path / str(number)
        old = os.umask(mask)
        try:
            (folder / "bin").mkdir(parents=True)
            (folder / "bin" / "run").write_text("#!/bin/sh\n")
            (folder / "bin" / "run").chmod(0o700)
            (folder / "a").write_text("a")
        finally:
            os.umask(old)
        os.utime(folder / "a", (number, number))
        tar_file = io.BytesIO()
        context.write_tar(folder, tar_file)
        tars.append(tar_file.getvalue())
    assert tars[0] == tars[1]
    with tarfile.open(fileobj=io.BytesIO(tars[0])) as tar:
        modes = {member.name: member.mode for member in tar}
    assert modes == {"a": 0o644, "bin/run": 0o755}


def test_an_unknown_image_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        builder.reference("utli")
    assert "utli" in caught.value.message
    assert "util" in caught.value.hint


def test_missing_sources_are_named(
    sources: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(resources, "compose_dir", lambda: tmp_path / "nowhere")
    with pytest.raises(EnvironmentProblem, match="util"):
        recipe.reference("util")


def test_every_image_of_the_catalog_has_its_folder() -> None:
    for name in recipe.names():
        if name != catalog.LOADED_NODE:
            assert context.files(recipe.folder(name)), name


def test_lab_files_find_the_local_names() -> None:
    assert catalog.substitutions()["flow-proxy"] == "swarmlab/flow-proxy:1.0"
    assert set(catalog.substitutions("upstream")) == set(catalog.substitutions())
    with pytest.raises(UsageError, match="nowhere"):
        catalog.substitutions("nowhere")


def test_images_that_share_a_layer_say_so_in_the_same_words() -> None:
    lines = {name: recipe.first_run(name) for name in ("node", "go-demo", "go-demo-db")}
    assert len(set(lines.values())) == 1
    assert "python3" in lines["node"]
