"""Long work with a name: every end is a state and a sentence."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from masklet.errors import OutputError
from masklet.studio.errors import NotFoundError
from masklet.studio.events import EventBus
from masklet.studio.jobs import Job, Jobs, JobSteps
from masklet.studio.worker import Worker


@pytest.fixture
def worker() -> Iterator[Worker]:
    """A worker that ends with the test."""
    worker = Worker("test")
    yield worker
    worker.close()


@pytest.fixture
def jobs() -> Jobs:
    """Jobs nobody watches."""
    return Jobs(EventBus())


def run(jobs: Jobs, worker: Worker, steps: JobSteps) -> Job:
    job = jobs.start(Job(project_id="p", kind="export", total=3), worker, lambda: steps)
    assert job.ended.wait(10)
    return job


def test_done(jobs: Jobs, worker: Worker) -> None:
    def steps() -> JobSteps:
        yield None
        return {"answer": 42}

    job = run(jobs, worker, steps())
    assert (job.state, job.result, job.error, job.active) == ("done", {"answer": 42}, None, False)
    assert jobs.job(job.id) is job
    assert jobs.of("p") == [job]
    assert jobs.active("p") == []
    assert jobs.project_of(job.id) == "p"
    assert set(job.to_json()) == {
        "id", "project_id", "kind", "state", "done", "total", "message", "error", "result", "created",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (OutputError("cannot write x:\nno space"), "OutputError", "cannot write x: no space"),
        (RuntimeError("secret detail"), "InternalError", "the log"),
        (OSError(28, "No space left on device"), "DiskFullError", "disk is full"),
    ],
)
def test_failed(jobs: Jobs, worker: Worker, error: Exception, kind: str, words: str) -> None:
    def steps() -> JobSteps:
        yield None
        raise error

    job = run(jobs, worker, steps())
    assert job.state == "failed"
    assert job.error is not None
    assert job.error["type"] == kind
    assert words in job.error["message"]
    assert "secret" not in job.error["message"]


def test_what_was_cancelled_has_not_failed(jobs: Jobs, worker: Worker) -> None:
    """Its project was deleted while it made a step."""

    def steps() -> JobSteps:
        yield None
        jobs.cancel(jobs.of("p")[0])
        raise NotFoundError("there is no project p")

    job = run(jobs, worker, steps())
    assert (job.state, job.error) == ("cancelled", None)


def test_cancelled_between_steps(jobs: Jobs, worker: Worker) -> None:
    ends: list[str] = []

    def steps() -> JobSteps:
        try:
            while True:
                jobs.cancel(job)
                yield None
                ends.append("went on")
        finally:
            ends.append("closed")

    job = Job(project_id="p", kind="track")
    jobs.start(job, worker, steps)
    assert job.ended.wait(10)
    assert (job.state, ends) == ("cancelled", ["closed"])


def test_cancelled_while_waiting(jobs: Jobs, worker: Worker) -> None:
    job = Job(project_id="p", kind="track")
    jobs.cancel(job)

    def steps() -> JobSteps:
        raise AssertionError("never called")

    jobs.start(job, worker, steps)
    assert job.ended.wait(10)
    assert job.state == "cancelled"


def test_unknown(jobs: Jobs) -> None:
    with pytest.raises(NotFoundError):
        jobs.job("nothing")
    assert jobs.project_of("nothing") is None
