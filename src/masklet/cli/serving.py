"""The work of `masklet engine serve`: the studio over the tasks of a project."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from masklet.cli.job import spec_of
from masklet.cli.options import ModelOptions
from masklet.cli.report import note
from masklet.engine.store import Store
from masklet.engine.tasks import Queue, QueueSettings
from masklet.errors import OutputError
from masklet.studio.app import create_app
from masklet.studio.serve import Listener, serve
from masklet.studio.settings import Settings
from masklet.studio.team import Person


@dataclass(frozen=True, kw_only=True)
class Workshift:
    """A team at work on a project.

    Attributes:
        place: the project's folder or URL.
        people: as the command line names them; the user of this machine where nobody is named.
        folder: where open work is kept, or None for a folder of the project.
        lease_minutes: a task is kept so long after the last sign of life.
        gold_every: as in `QueueSettings`.
        model: what helps them.
    """

    place: str
    people: Sequence[str]
    folder: Path | None
    lease_minutes: float
    gold_every: int
    model: ModelOptions

    def run(self, host: str, port: int, allow_host: Sequence[str]) -> None:
        """Serve until interrupted.

        Raises:
            FormatError: a person who is none.
            OutputError: the project, its folder or the address cannot be used.
        """
        people = [Person.parse(said) for said in self.people or [getpass.getuser()]]
        if self.folder is None and "://" in self.place:
            raise OutputError("a project in a database has no folder: say --studio DIR")
        settings = Settings(folder=(self.folder or Path(self.place) / "studio").expanduser(), hosts=(*allow_host, host))
        address = Listener.bind(host, port, None)
        with closing(address.socket), Store(self.place) as store:
            queue = Queue(store, QueueSettings(lease_seconds=60 * self.lease_minutes, gold_every=self.gold_every))
            application = create_app(spec_of(self.model).load(), settings, queue=queue, people=people)
            with closing(application.state.services):
                for person in application.state.team.people.values():
                    link = replace(address, token=person.token).url()
                    typer.echo(f"{person.name} ({', '.join(person.roles)}): {link}")
                note("Ctrl-C ends the studio")
                serve(application, address)
