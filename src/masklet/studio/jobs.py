"""Long-running jobs: progress, cancellation between steps, and how they end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from masklet.studio.errors import NotFoundError, error_json, public_error
from masklet.studio.events import EventBus
from masklet.studio.schemas import JobOut
from masklet.studio.store import new_id, now
from masklet.studio.worker import Worker

Kind = Literal["track", "export", "proposals"]
State = Literal["waiting", "running", "done", "cancelled", "failed"]

KEEP_SECONDS = 3600
"""How long finished jobs are listed."""

KEEP_JOBS = 2000
PROGRESS_SECONDS = 0.2
"""Time between two progress events."""

log = logging.getLogger(__name__)


@dataclass(eq=False, kw_only=True)
class Job:
    """One long-running job.

    Attributes:
        total: number of steps, 0 while unknown.
        done: steps that are done.
        message: the present step.
        error: if it failed, `error_json`.
        result: what it gave, JSON.
        cancelling: set when it is to stop.
        revision: of the edit that it writes, if it is one.
        ended: set when it has ended.
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
    published_at: float = 0.0

    @property
    def active(self) -> bool:
        """Whether it has not ended."""
        return self.state in ("waiting", "running")

    def to_json(self) -> dict[str, Any]:
        """Return the job as the API shows it."""
        return JobOut.model_validate(self).model_dump()


JobSteps = Generator[object, None, dict[str, Any] | None]
"""The steps of a job; it returns the job's result."""


class Jobs:
    """All jobs of a studio; finished ones stay for an hour. Every change is published on the event bus."""

    def __init__(self, events: EventBus) -> None:
        self._events = events
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def start(self, job: Job, worker: Worker, steps: Callable[[], JobSteps]) -> Job:
        """Queue a job at a worker; ``steps`` is called when its turn comes."""
        with self._lock:
            self._remove_old()
            self._jobs[job.id] = job
        self._publish(job)
        worker.start(job.project_id, self._run(job, steps))
        return job

    def job(self, job_id: str) -> Job:
        """Return a job; raise `NotFoundError` if there is none of that id."""
        with self._lock:
            found = self._jobs.get(job_id)
        if found is None:
            raise NotFoundError(f"there is no job {job_id}")
        return found

    def project_of(self, job_id: str) -> str | None:
        """Return the project of a job, None if there is no such job any more."""
        with self._lock:
            self._remove_old()
            job = self._jobs.get(job_id)
        return None if job is None else job.project_id

    def of(self, project_id: str) -> list[Job]:
        """Return the jobs of a project, oldest first."""
        with self._lock:
            return [job for job in self._jobs.values() if job.project_id == project_id]

    def active(self, project_id: str, kind: Kind | None = None) -> list[Job]:
        """Return the jobs of a project that have not ended."""
        return [job for job in self.of(project_id) if job.active and kind in (None, job.kind)]

    def cancel(self, job: Job) -> Job:
        """Let a job end after its present step; harmless if it has ended."""
        job.cancelling.set()
        return job

    def _run(self, job: Job, steps: Callable[[], JobSteps]) -> Iterator[None]:
        """Run the steps; whatever happens, the job ends in a state."""
        try:
            if job.cancelling.is_set():
                job.state = "cancelled"
                return
            job.state = "running"
            self._publish(job)
            yield
            running = steps()
            try:
                while not job.cancelling.is_set():
                    next(running)
                    if time.monotonic() - job.published_at > PROGRESS_SECONDS:
                        self._publish(job)
                    yield
            except StopIteration as stop:
                job.result, job.state = stop.value, "done"
            else:
                running.close()
                job.state = "cancelled"
        except GeneratorExit:
            job.state = "cancelled"
            raise
        except Exception as error:  # the error of a job is shown with its progress
            known = public_error(error)
            if known is None:
                log.exception("job %s (%s) failed", job.id, job.kind)
            if job.cancelling.is_set() and known is not None:  # its project was deleted during a step
                job.state = "cancelled"
            else:
                job.state, job.error = "failed", error_json(error)
        finally:
            job.ended_at = time.monotonic()
            job.ended.set()
            self._publish(job)

    def _publish(self, job: Job) -> None:
        job.published_at = time.monotonic()
        self._events.publish(job.project_id, {"type": "job", "job": job.to_json()})

    def _remove_old(self) -> None:
        ended = [job for job in self._jobs.values() if not job.active]
        limit = time.monotonic() - KEEP_SECONDS
        excess = len(self._jobs) - KEEP_JOBS
        for place, job in enumerate(ended):
            if job.ended_at < limit or place < excess:
                del self._jobs[job.id]
