"""A new lab, small and sound, for an author to change: made from the template in the package."""

from __future__ import annotations

import re
from pathlib import Path

from swarmlab.errors import EnvironmentProblem, UsageError
from swarmlab.loader import LAB_FILE
from swarmlab.loading import schema
from swarmlab.words import say

TEMPLATE = Path(__file__).resolve().parent / "templates" / "lab"
ID = "id: my-lab\n"


def make(folder: Path) -> tuple[str, ...]:
    """Make the lab in `folder`, which must not be there or be empty; the files made, in order.

    Its name becomes the lab's id. Raises UsageError for a folder that cannot be used,
    EnvironmentProblem when the disk says no.
    """
    lab_id = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    if not lab_id:
        raise UsageError(
            say("The folder's name, {name!r}, cannot become the id of a lab.", name=folder.name),
            hint=say(
                "Give a name with letters from a to z or digits, such as `swarmlab lab new my-lab`."
            ),
        )
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(
                say("{folder} is there already, and is not an empty folder.", folder=folder),
                hint=say("Choose another name; nothing was changed."),
            )
        files = {
            path.relative_to(TEMPLATE).as_posix(): path.read_text(encoding="utf-8")
            for path in sorted(TEMPLATE.rglob("*"))
            if path.is_file()
        }
        files[LAB_FILE] = files[LAB_FILE].replace(ID, f"id: {lab_id}\n")
        files[schema.NAME] = schema.text()
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EnvironmentProblem(
            say(
                "The lab cannot be made in {folder}: {why}.",
                folder=folder,
                why=error.strerror or error,
            ),
            hint=say("Choose a folder that you may write to."),
        ) from error
    return tuple(files)
