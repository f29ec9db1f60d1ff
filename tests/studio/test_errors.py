"""Errors as people meet them: one shape, one sentence, the right status; also when the disk is full."""

from __future__ import annotations

import errno
import logging
import socket
import time
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from masklet.errors import FrameRangeError, MaskletError, MediaError, OutputError, PromptError
from masklet.studio.errors import BusyError, ConflictError, DiskFullError, error_json, public_error, status_of


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (PromptError("x"), 400),
        (FrameRangeError("x"), 404),
        (MediaError("x"), 415),
        (OutputError("x"), 507),
        (ConflictError("x"), 409),
        (BusyError("x"), 429),
    ],
)
def test_status(error: MaskletError, status: int) -> None:
    assert status_of(error) == status


def full() -> OutputError:
    error = OutputError("cannot write")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (full(), DiskFullError),
        (OSError(errno.ENOSPC, "No space"), DiskFullError),
        (OperationalError("INSERT", {}, Exception("database or disk is full")), DiskFullError),
        (OperationalError("INSERT", {}, Exception("database is locked")), BusyError),
        (OSError(errno.EACCES, "Permission denied"), type(None)),
        (ValueError("bug"), type(None)),
    ],
)
def test_what_is_told(error: Exception, kind: type) -> None:
    assert isinstance(public_error(error), kind)


def test_messages_are_one_readable_line() -> None:
    assert error_json(PromptError("first\nsecond \udcff"))["message"] == "first second ?"
    assert error_json(KeyError("secret"))["type"] == "InternalError"
    assert "secret" not in error_json(KeyError("secret"))["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "nothing", 404),
        ("GET", "projects/../../etc/passwd", 404),
        ("GET", "projects/zzz", 422),
        ("GET", "projects/000000000000", 404),
        ("GET", "projects/000000000000/frames/99999999999999999999", 422),
        ("PUT", "projects", 405),
        ("GET", "jobs/000000000000", 404),
    ],
)
def test_every_refusal_has_the_same_shape(studio: Any, method: str, path: str, status: int) -> None:
    assert studio.refused(method, path)[0] == status


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000),
        *(b'{"name": "\\ud800"}', b'{"name": 1e999}', b'{"name": "\\u0000"}'),
    ],
)
def test_bodies_that_are_not_what_they_should_be(studio: Any, body: bytes) -> None:
    header = {"Content-Type": "application/json"}
    for path in ("projects", "folders", "local", "login", f"projects/{'0' * 12}/objects"):
        status, _, message = studio.refused("POST", path, content=body, headers=header)
        assert 400 <= status < 500
        assert message


def test_an_upload_that_breaks_off_leaves_nothing_and_no_traceback(
    studio: Any, caplog: pytest.LogCaptureFixture
) -> None:
    host, port = studio.url.removeprefix("http://").split(":")
    head = f"POST /api/media?name=a.mp4 HTTP/1.1\r\nHost: {host}:{port}\r\nX-Masklet: 1\r\n"
    before = sorted(studio.services.settings.media.iterdir())
    with socket.create_connection((host, int(port))) as caller:
        caller.sendall(f"{head}Content-Length: 1000000\r\n\r\nabc".encode())
        while sorted(studio.services.settings.media.iterdir()) == before:
            time.sleep(0.01)
    while sorted(studio.services.settings.media.iterdir()) != before:
        time.sleep(0.01)
    studio.call("GET", "health")
    assert [revisions.getMessage() for revisions in caplog.records if revisions.levelno >= logging.ERROR] == []


def test_a_full_disk_is_a_sentence_and_the_project_stays_sound(studio: Any, full_disk: Any) -> None:
    project = studio.project()
    studio.click(project, 0, 15, 16)
    before = studio.call("GET", f"projects/{project}"), studio.masks(project)
    with full_disk(studio.services):
        said = {"object_id": 1, "clicks": [{"x": x, "y": 20} for x in range(3, 60)]}
        for _ in range(200):
            answer = studio.client.post(f"/api/projects/{project}/frames/1/prompts", json=said)
            if answer.status_code != 200:
                break
        assert (answer.status_code, answer.json()["error"]["type"]) == (507, "DiskFullError")
        assert "disk is full" in answer.json()["error"]["message"]
        full_state = studio.call("GET", f"projects/{project}")
        job = studio.call("POST", f"projects/{project}/track", 202, json={})
        ended = studio.finished(job)
        assert (ended["state"], ended["error"]["type"]) == ("failed", "DiskFullError")
    assert studio.call("GET", f"projects/{project}")["revision"] <= full_state["revision"] + 1  # the step that failed
    while studio.call("GET", f"projects/{project}")["revision"] > before[0]["revision"]:
        studio.call("POST", f"projects/{project}/undo")
    assert studio.masks(project) == before[1]
    assert studio.click(project, 2, 15, 16, object_id=1)["frame"]["objects"]["1"]["prompted"]
