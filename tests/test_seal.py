"""Seals: what changes is seen, what is only laid out otherwise is not, and the key stays secret."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmlab import seal
from swarmlab.errors import UsageError
from swarmlab.seal import Broken

KEY = b"0123456789abcdef0123"
OTHER = b"fedcba9876543210fedc"
DATA: dict[str, Any] = {"a": 1.25, "b": ["ü", {"c": None}], "points": {"earned": 3.0}}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), values, max_size=5), st.sampled_from([None, KEY]))
def test_a_seal_holds_however_the_file_is_laid_out(data: dict[str, Any], key: bytes | None) -> None:
    made = seal.sealed(data, key)
    for text in (json.dumps(made), json.dumps(made, indent=3, sort_keys=True, ensure_ascii=False)):
        assert seal.broken(json.loads(text), key) is None


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["points"].update(earned=4.0),
        lambda d: d["b"].append("x"),
        lambda d: d.update(new=1),
        lambda d: d.pop("a"),
        lambda d: d["seal"].update(value="0" * 64),
        lambda d: d["seal"].update(value="ü"),
        lambda d: d["seal"].update(value=""),
    ],
)
def test_every_change_breaks_it(key: bytes | None, change: Any) -> None:
    made = copy.deepcopy(seal.sealed(DATA, key))
    change(made)
    assert seal.broken(made, key) is Broken.CHANGED


def test_what_a_key_can_tell() -> None:
    signed, plain = seal.sealed(DATA, KEY), seal.sealed(DATA, None)
    assert seal.broken(signed, OTHER) is Broken.OTHER_KEY
    assert seal.broken(signed, None) is Broken.NO_KEY
    assert seal.broken(plain, KEY) is Broken.NOT_SIGNED
    # Claiming another's key, or to need none, helps nobody.
    claimed = copy.deepcopy(seal.sealed(DATA, OTHER))
    claimed["seal"]["key_id"] = seal.key_id(KEY)
    assert seal.broken(claimed, KEY) is Broken.CHANGED


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (None, Broken.MISSING),
        ("x", Broken.MISSING),
        ({}, Broken.UNKNOWN),
        ({"kind": "md5", "value": "x"}, Broken.UNKNOWN),
        ({"kind": "sha256", "value": 7}, Broken.UNKNOWN),
        ({"kind": ["sha256"], "value": "x"}, Broken.UNKNOWN),
    ],
)
def test_what_is_no_seal(found: object, why: Broken) -> None:
    assert seal.broken({**DATA, "seal": found}, None) is why


def test_sealing_again_takes_the_place_of_the_old_seal() -> None:
    again = seal.sealed(seal.sealed(DATA, OTHER), KEY)
    assert seal.broken(again, KEY) is None
    assert again == seal.sealed(DATA, KEY)


def test_the_key_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(KEY + b"\n")
    assert seal.key({}) is None
    assert seal.key({seal.KEY: "", seal.KEY_FILE: ""}) is None
    assert seal.key({seal.KEY: KEY.decode()}) == KEY
    assert seal.key({seal.KEY_FILE: str(file)}) == KEY


def test_what_is_no_key_is_refused_and_not_shown(tmp_path: Path) -> None:
    short, huge, missing = tmp_path / "short", tmp_path / "huge", tmp_path / "missing"
    short.write_text("tooshortkey")
    huge.write_text("hugekey" * 1000)
    for environment in (
        {seal.KEY: "tooshortkey"},
        {seal.KEY: "   "},
        {seal.KEY: "hugekey" * 1000},
        {seal.KEY: KEY.decode(), seal.KEY_FILE: str(short)},
        {seal.KEY_FILE: str(short)},
        {seal.KEY_FILE: str(huge)},
        {seal.KEY_FILE: str(missing)},
        {seal.KEY_FILE: str(tmp_path)},
    ):
        with pytest.raises(UsageError) as caught:
            seal.key(environment)
        told = str(caught.value)
        assert "tooshortkey" not in told
        assert "hugekey" not in told
        assert KEY.decode() not in told
        assert caught.value.__cause__ is None


def test_the_key_is_not_in_what_it_seals() -> None:
    text = json.dumps(seal.sealed(DATA, KEY))
    assert KEY.decode() not in text
    assert KEY.hex() not in text
