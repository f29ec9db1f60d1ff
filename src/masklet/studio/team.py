"""The people of a data engine's studio: a token each, what they may do, and which projects are theirs."""

from __future__ import annotations

import hmac
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from masklet.errors import FormatError
from masklet.io.atomic import output_errors
from masklet.studio.errors import ForbiddenError, NotFoundError, TokenError
from masklet.studio.security import SAFE_METHODS, new_token

Role = Literal["annotate", "review"]
ROLES: tuple[Role, ...] = get_args(Role)
PROJECT = re.compile(r"^/api/projects/([^/]+)(/|$)")
JOB = re.compile(r"^/api/(?:jobs|exports)/([^/]+)")
MEDIA = re.compile(r"^/api/media/([^/]+)")


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who works on tasks.

    Attributes:
        name: as in the data engine's history.
        roles: what they may do.
        token: what they must show.
    """

    name: str
    roles: tuple[Role, ...] = ROLES
    token: str = field(default_factory=new_token, repr=False)

    @classmethod
    def parse(cls, said: str) -> Person:
        """From ``ana`` (everything), ``ana:annotate`` or ``ben:review``; `FormatError` for anything else."""
        name, _, role = said.strip().partition(":")
        if not name.strip() or any(ord(letter) < 32 for letter in name) or role not in ("", *ROLES):
            raise FormatError(f"expected NAME, NAME:annotate or NAME:review, got {said!r}")
        return cls(name=name.strip(), roles=tuple(each for each in ROLES if role in ("", each)))


class Team:
    """Who may come in. People keep their tokens from one start to the next.

    Args:
        people: everybody.

    Attributes:
        owners: the projects that are open, and whose they are.
        media: and on which media.
        project_of: the project of a job, or None.
    """

    def __init__(self, people: Mapping[str, Person]) -> None:
        self.people = dict(people)
        self.owners: dict[str, str] = {}
        self.media: dict[str, str] = {}
        self.project_of: Callable[[str], str | None] = lambda job: None

    @classmethod
    def at(cls, folder: Path, people: list[Person]) -> Team:
        """The team of a studio's folder, with these people and their roles; everybody else is let in no more.

        Raises:
            FormatError: the file of the team is damaged.
            OutputError: it cannot be written.
        """
        path = folder / "team.json"
        known = _tokens(path)
        team = cls({p.name: Person(name=p.name, roles=p.roles, token=known.get(p.name, p.token)) for p in people})
        draft = path.with_suffix(".part")
        with output_errors(path):
            folder.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(known | {name: person.token for name, person in team.people.items()}, file)
            draft.replace(path)
        return team

    def who(self, shown: str) -> Person:
        """Whose token this is; `TokenError` if nobody's. Takes the same time whatever came."""
        given = shown.encode("utf-8", "replace")
        found = [person for person in self.people.values() if hmac.compare_digest(person.token.encode(), given)]
        if not found:
            raise TokenError("this studio needs your token: open the address that was sent to you")
        return found[0]

    def admit(self, shown: str, method: str, path: str) -> Person:
        """Who makes a call, as `masklet.studio.security.Guard` asks; raises as `who` and `check`."""
        person = self.who(shown)
        self.check(person, method, path)
        return person

    def check(self, person: Person, method: str, path: str) -> None:
        """Raise unless a person may make a call: people work on the tasks they hold, and on nothing else.

        Raises:
            NotFoundError: a project of another, its jobs, results and media.
            ForbiddenError: what tasks bring by themselves.
        """
        project = PROJECT.match(path)
        if project and self.owners.get(project[1]) != person.name:
            raise NotFoundError(f"there is no project {project[1][:40]} for you: take a task first")
        job, media = JOB.match(path), MEDIA.match(path)
        if job and self.owners.get(self.project_of(job[1]) or "") != person.name:
            raise NotFoundError(f"there is no job {job[1][:40]} of yours")
        removing = project is not None and not project[2] and method == "DELETE"
        bringing = path in ("/api/projects", "/api/media") or path.startswith(("/api/folders", "/api/local"))
        changing = path.startswith("/api/media/") and method not in SAFE_METHODS
        if removing or bringing or changing:
            raise ForbiddenError("in a data engine's studio media and projects come and go with the tasks")
        theirs = {its for project, its in list(self.media.items()) if self.owners.get(project) == person.name}
        if media and media[1] not in theirs:
            raise NotFoundError(f"there is no media {media[1][:40]} in your tasks")


def _tokens(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FormatError(f"{path} is damaged: {error}; remove it to give everybody a new token") from None
    if not isinstance(known, dict) or not all(isinstance(token, str) and len(token) > 15 for token in known.values()):
        raise FormatError(f"expected names and tokens in {path}; remove it to give everybody a new token")
    return known
