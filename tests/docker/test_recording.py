"""The lab's words against reality: a fresh run prints what is recorded, apart from what varies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from swarmlab import loader, recorder, recording
from swarmlab.cluster import lifecycle
from swarmlab.cluster.workspace import LabWorkspace
from swarmlab.listener import SilentListener
from swarmlab.student import ProgressStore

pytestmark = [pytest.mark.docker, pytest.mark.long]


def test_a_fresh_run_prints_what_is_recorded(tmp_path: Path) -> None:
    name = f"words-{os.getpid()}"
    lab = loader.load_builtin("service-discovery")
    stored = recording.load(lab)
    assert stored is not None
    try:
        with LabWorkspace(name, lab) as workspace:
            fresh = recorder.record(
                lab,
                workspace=workspace,
                progress=ProgressStore(name, tmp_path),
                listener=SilentListener(),
            )
    finally:
        lifecycle.down(name)
    assert recording.differences(stored, fresh) == "", (
        "the lab no longer says what its handouts show: look at the lines above, and when they "
        "are meant, `swarmlab record` makes a new recording"
    )
