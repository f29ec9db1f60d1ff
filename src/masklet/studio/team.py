"""The people who work on a data engine's tasks: tokens, roles, and access to projects."""

from __future__ import annotations

import hmac
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, get_args

from msgspec import Meta

from masklet.bounded_json import read_json
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
    """A person who works on tasks.

    Attributes:
        name: as in the data engine's history.
        token: that their requests carry.
    """

    name: str
    roles: tuple[Role, ...] = ROLES
    token: str = field(default_factory=new_token, repr=False)

    @classmethod
    def parse(cls, text: str) -> Person:
        """Parse ``ana`` (both roles), ``ana:annotate`` or ``ben:review``; raise `FormatError` for anything else."""
        name, _, role = text.strip().partition(":")
        if not name.strip() or any(ord(letter) < 32 for letter in name) or role not in ("", *ROLES):
            raise FormatError(f"expected NAME, NAME:annotate or NAME:review, got {text!r}")
        return cls(name=name.strip(), roles=tuple(each for each in ROLES if role in ("", each)))


class Team:
    """Authenticates people and authorizes their requests.

    Attributes:
        people: by name.
        owners: name of the person who works in a project.
        media: media of a project.
        project_of: function that returns the project of a job, or None.
    """

    def __init__(self, people: Mapping[str, Person]) -> None:
        self.people = dict(people)
        self.owners: dict[str, str] = {}
        self.media: dict[str, str] = {}
        self.project_of: Callable[[str], str | None] = lambda job: None

    @classmethod
    def load(cls, folder: Path, people: list[Person]) -> Team:
        """Load the tokens of a studio's folder; make new ones for people who have none.

        Raises:
            FormatError: the file with the tokens is damaged.
            OutputError: it cannot be written.
        """
        path = folder / "team.json"
        known = _read_tokens(path)
        team = cls({p.name: Person(name=p.name, roles=p.roles, token=known.get(p.name, p.token)) for p in people})
        draft = path.with_suffix(".part")
        with output_errors(path):
            folder.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(known | {name: person.token for name, person in team.people.items()}, file)
            draft.replace(path)
        return team

    def authenticate(self, token: str) -> Person:
        """Return the person with a token, or raise `TokenError`; takes the same time for any input."""
        given = token.encode("utf-8", "replace")
        found = [person for person in self.people.values() if hmac.compare_digest(person.token.encode(), given)]
        if not found:
            raise TokenError("the access token is missing or wrong: open the URL that was sent to you")
        return found[0]

    def authorize(self, token: str, method: str, path: str) -> Person:
        """Return the person with a token if they may make a request: people see the tasks that they hold, and no other.

        Raises:
            TokenError: the token is wrong.
            NotFoundError: a project, job, export or media of another person.
            ForbiddenError: a request that adds or removes projects or media, which tasks do.
        """
        person = self.authenticate(token)
        project = PROJECT.match(path)
        if project and self.owners.get(project[1]) != person.name:
            raise NotFoundError(f"there is no project {project[1][:40]} of yours: take a task first")
        job, media = JOB.match(path), MEDIA.match(path)
        if job and self.owners.get(self.project_of(job[1]) or "") != person.name:
            raise NotFoundError(f"there is no job {job[1][:40]} of yours")
        removes = project is not None and not project[2] and method == "DELETE"
        adds = path in ("/api/projects", "/api/media") or path.startswith(("/api/folders", "/api/local"))
        changes = path.startswith("/api/media/") and method not in SAFE_METHODS
        if removes or adds or changes:
            raise ForbiddenError("projects and media are added and removed with the tasks of the data engine")
        own = {one for key, one in list(self.media.items()) if self.owners.get(key) == person.name}
        if media and media[1] not in own:
            raise NotFoundError(f"there is no media {media[1][:40]} in your tasks")
        return person


def _read_tokens(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        tokens = read_json(path, dict[str, Annotated[str, Meta(min_length=16)]], what="file of tokens")
    except FormatError as error:
        raise FormatError(f"{error}; remove the file to give everybody a new token") from None
    return tokens
