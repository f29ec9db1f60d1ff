"""Long work with a name: its progress, its end, and cancelling it between steps."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from masklet.studio.errors import NotFoundError, entry, told
from masklet.studio.events import Hub
from masklet.studio.store import new_id, now
from masklet.studio.worker import Worker

Kind = Literal["track", "export", "proposals"]
State = Literal["waiting", "running", "done", "cancelled", "failed"]

KEPT_SECONDS = 3600
KEPT_JOBS = 2000
TELL_EVERY = 0.2
"""Seconds between two reports of progress."""

log = logging.getLogger(__name__)


@dataclass(eq=False, kw_only=True)
class Job:
    """One piece of long work.

    Attributes:
        project_id: whose.
        kind: what.
        total: steps in all, 0 where nobody knows yet.
        state, done, message, error, result: how it goes.
        cancelling: set once somebody asked it to end.
        revision: of the edit it is, if it is one.
    """

    project_id: str
    kind: Kind
    total: int = 0
    id: str = field(default_factory=new_id)
    created: str = field(default_factory=now)
    state: State = "waiting"
    done: int = 0
    message: str = ""
    error: dict[str, str] | None = None
    result: dict[str, Any] | None = None
    cancelling: threading.Event = field(default_factory=threading.Event)
    revision: int | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    ended_at: float = 0.0
    told_at: float = 0.0

    @property
    def active(self) -> bool:
        """Whether it has not ended."""
        return self.state in ("waiting", "running")

    def entry(self) -> dict[str, Any]:
        """As the page takes it."""
        names = ("id", "project_id", "kind", "state", "done", "total", "message", "error", "result", "created")
        return {name: getattr(self, name) for name in names}


Steps = Generator[object, None, dict[str, Any] | None]
"""What a job does, step by step; it returns the job's result."""


class Jobs:
    """All jobs of a studio, the finished ones for an hour.

    Args:
        hub: told about every change.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def start(self, job: Job, worker: Worker, steps: Callable[[], Steps]) -> Job:
        """Put a job in line; ``steps`` is called when its turn comes."""
        with self._lock:
            self._forget_old()
            self._jobs[job.id] = job
        self._tell(job)
        worker.start(job.project_id, self._run(job, steps))
        return job

    def job(self, job_id: str) -> Job:
        """One job; `NotFoundError` if there is none of that id."""
        with self._lock:
            found = self._jobs.get(job_id)
        if found is None:
            raise NotFoundError(f"there is no job {job_id}")
        return found

    def project_of(self, job_id: str) -> str | None:
        """Whose a job is, None if there is none of that id."""
        with self._lock:
            job = self._jobs.get(job_id)
        return None if job is None else job.project_id

    def knows(self, job_id: str) -> bool:
        """Whether a job is still kept."""
        with self._lock:
            self._forget_old()
            return job_id in self._jobs

    def of(self, project_id: str) -> list[Job]:
        """The jobs of a project, oldest first."""
        with self._lock:
            return [job for job in self._jobs.values() if job.project_id == project_id]

    def active(self, project_id: str, kind: Kind | None = None) -> list[Job]:
        """Those that have not ended."""
        return [job for job in self.of(project_id) if job.active and kind in (None, job.kind)]

    def cancel(self, job: Job) -> Job:
        """Ask a job to end after its present step; harmless when it has ended."""
        job.cancelling.set()
        return job

    def _run(self, job: Job, steps: Callable[[], Steps]) -> Iterator[None]:
        """Run the steps; whatever happens, the job ends in a state and a sentence."""
        try:
            if job.cancelling.is_set():
                job.state = "cancelled"
                return
            job.state = "running"
            self._tell(job)
            yield
            running = steps()
            try:
                while not job.cancelling.is_set():
                    next(running)
                    if time.monotonic() - job.told_at > TELL_EVERY:
                        self._tell(job)
                    yield
            except StopIteration as stop:
                job.result, job.state = stop.value, "done"
            else:
                running.close()
                job.state = "cancelled"
        except GeneratorExit:
            job.state = "cancelled"
            raise
        except Exception as error:  # a job's errors are told where its progress is
            if told(error) is None:
                log.exception("job %s (%s) failed", job.id, job.kind)
            if job.cancelling.is_set() and told(error) is not None:  # its project was deleted while it made a step
                job.state = "cancelled"
            else:
                job.state, job.error = "failed", entry(error)
        finally:
            job.ended_at = time.monotonic()
            job.ended.set()
            self._tell(job)

    def _tell(self, job: Job) -> None:
        job.told_at = time.monotonic()
        self._hub.send(job.project_id, {"type": "job", "job": job.entry()})

    def _forget_old(self) -> None:
        ended = [job for job in self._jobs.values() if not job.active]
        limit = time.monotonic() - KEPT_SECONDS
        too_many = len(self._jobs) - KEPT_JOBS
        for place, job in enumerate(ended):
            if job.ended_at < limit or place < too_many:
                del self._jobs[job.id]
