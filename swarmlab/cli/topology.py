"""`topology`: the live cluster as a drawing or as text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from swarmlab.cli.options import DEFAULT_LANGUAGE, DEFAULT_NAME, Language, Name
from swarmlab.words import say


def topology(
    name: Name = DEFAULT_NAME,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write into this file, not to standard output.")
    ] = None,
    as_text: Annotated[
        bool, typer.Option("--text", help="Print lines of text instead of the drawing.")
    ] = False,
    language: Language = DEFAULT_LANGUAGE,
) -> None:
    """Draw the lab as it is now, as SVG: nodes, leader, tasks, Consul, proxies.

    Instances of the proxy with the same configuration carry the same letter, so that a proxy that
    missed an order stands out; each says how often it answered what. Looks only; changes nothing.
    """
    from contextlib import closing

    from swarmlab.cluster import lifecycle
    from swarmlab.cluster.amiss import LOOK_SECONDS
    from swarmlab.errors import LabAbsent, UsageError
    from swarmlab.handout.diagrams.current import draw, text
    from swarmlab.handout.diagrams.look import look
    from swarmlab.handout.diagrams.seen import PROXY
    from swarmlab.report.hand import drawn, unwritten
    from swarmlab.watching.eye import Eyes

    if out is not None:
        unwritten(out)
    # What answers is drawn, without waiting for what does not.
    cluster = lifecycle.find(name, patience=LOOK_SECONDS)
    if cluster is None:
        raise LabAbsent(
            say("There is no lab {name!r} on this machine.", name=name),
            hint=say("`swarmlab up` makes one."),
        )
    with cluster, closing(Eyes(cluster, PROXY)) as eyes:
        seen = look(cluster, eyes)
    shown = text(seen, language) if as_text else draw(seen, language)
    if out is None:
        typer.echo(shown)
        return
    try:
        out.write_text(shown + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            say("{path} cannot be written: {why}.", path=out, why=error.strerror),
            hint=say("Give --out a file in a folder that exists and that you may write to."),
        ) from error
    drawn(out)
