"""A lab as the runner uses it: the live cluster, a shell in its workstation, and the few
commands that belong to the student's own machine."""

from __future__ import annotations

import shlex
import time
from types import TracebackType
from typing import TYPE_CHECKING

from swarmlab import resources
from swarmlab.checks.looking import over
from swarmlab.cluster import lifecycle, refusing, workstation
from swarmlab.cluster.cluster import Cluster
from swarmlab.errors import EnvironmentProblem, SwarmlabError, UsageError
from swarmlab.images import sources
from swarmlab.images.catalog import LOCAL
from swarmlab.images.sources import Sources
from swarmlab.model import Command, Lab
from swarmlab.progress import Progress, SilentProgress
from swarmlab.results import CommandResult, Verdict
from swarmlab.words import say

if TYPE_CHECKING:
    from swarmlab.session import Session


class LabWorkspace:
    """The lab of one name; implements `swarmlab.workspace.Workspace`.

    A lab that `present` has found is used as it is, so that a command which only looks changes
    nothing; otherwise `world` brings it up or mends it. To be used as a context manager.
    """

    def __init__(self, name: str, lab: Lab, progress: Progress | None = None) -> None:
        self.name = name
        self._lab = lab
        self.told = progress or SilentProgress()
        self._cluster: Cluster | None = None
        self._session: Session | None = None
        self.settling = False

    def __enter__(self) -> LabWorkspace:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def cluster_id(self) -> str:
        return self._cluster.cluster_id if self._cluster else ""

    @property
    def data_plane(self) -> str:
        return self._cluster.data_plane if self._cluster else ""

    def present(self) -> bool:
        """Whether there is anything of the lab's nodes now. Asks the engine; changes nothing."""
        found = self._found()
        if found is None:
            self._cluster = None
            return False
        if self._cluster is None:
            self._cluster = self._fitting(found)
        else:
            found.close()
        return True

    def world(self) -> Cluster:
        """The live lab, brought up or mended first where that is needed.

        Raises UsageError for one that has too few managers for the steps.
        """
        if self._cluster is None:
            found = self._found()
            if found is not None and not (found.complete and _formed(found)):
                found.close()
                found = None
            self.settling = self.settling or found is None
            self._cluster = self._fitting(found or self._brought_up())
        has = len(self._cluster.managers)
        if has < self._lab.managers:
            raise UsageError(
                say(
                    "The steps of {steps} need {managers} managers, and the lab {name!r} has"
                    " {has}.",
                    steps=self._lab.id,
                    managers=self._lab.managers,
                    name=self.name,
                    has=has,
                ),
                hint=say(
                    "`swarmlab down` removes it; then bring it up with more, or give the steps a"
                    " lab of their own with --name."
                ),
            )
        return self._cluster

    def awake(self) -> None:
        """Raises EnvironmentProblem unless the engines of all nodes answer."""
        cluster = self.world()
        over(cluster.nodes, cluster.awake)

    def _found(self) -> Cluster | None:
        """What there is of the lab; where it keeps one waiting, it says so."""
        found = lifecycle.find(self.name)
        if found is not None:
            found.told = self.told
        return found

    def _brought_up(self) -> Cluster:
        asked = sources.asked(self._lab.catalog)
        return lifecycle.up(self.name, sources=asked, progress=self.told)

    def _fitting(self, cluster: Cluster) -> Cluster:
        """The same, if its images are those that the steps speak of. Raises UsageError."""
        try:
            refusing.other_images(self.name, cluster.sources, Sources(self._lab.catalog or LOCAL))
        except UsageError:
            cluster.close()
            raise
        return cluster

    def session(self) -> Session:
        """The shell in the workstation, opened on first use."""
        from swarmlab.session import Session

        if self._session is None:
            container = self.world().workstation
            if not self._lab.folder.is_relative_to(resources.labs_dir()):
                workstation.place(container, self._lab.files)
            self._session = Session(container)
        return self._session

    def host(self, command: Command) -> CommandResult:
        """Run a command of the student's own machine: `swarmlab down` is the only one known."""
        begun = time.monotonic()
        verdict, code, output, reason = self._host(command)
        return CommandResult(
            id=command.id,
            run=command.run,
            where=command.where.value,
            verdict=verdict,
            exit_code=code,
            output=output,
            seconds=time.monotonic() - begun,
            reason=reason,
        )

    def close(self) -> None:
        """End the shell and let go of all connections; the lab stays."""
        self._end_session()
        if self._cluster is not None:
            self._cluster.close()
            self._cluster = None

    def _host(self, command: Command) -> tuple[Verdict, int | None, str, str]:
        words = shlex.split(command.run, comments=True)
        if words not in (["swarmlab", "down"], ["swarmlab", "down", "--name", self.name]):
            reason = say("only `swarmlab down` can be run on your own machine from here")
            return Verdict.ERRORED, None, "", reason
        self._end_session()
        try:
            removed = lifecycle.down(self.name, self.told)
        except SwarmlabError as error:
            return Verdict.ERRORED, error.exit_code, str(error), error.message
        output = (
            say("nothing to remove")
            if removed.nothing
            else say("The lab {name!r} is gone.", name=self.name)
        )
        allowed = not command.exit_codes or 0 in command.exit_codes
        return (Verdict.PASSED if allowed else Verdict.FAILED), 0, f"{output}\n", ""

    def _end_session(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            session.close()


def _formed(cluster: Cluster) -> bool:
    """Whether the nodes are a whole swarm: an `up` that was killed may have left them without one,
    or without the labels, which come last."""
    try:
        return bool(cluster.cluster_id) and cluster.labelled
    except EnvironmentProblem:
        return False
