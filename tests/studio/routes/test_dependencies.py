"""Answers that a caller has already: told by what they say."""

from __future__ import annotations

from typing import Any

import numpy as np

from masklet.predict.results import FrameResult, FrameState
from masklet.studio.frame_codec import row_of
from masklet.types import Rle


def known(studio: Any, path: str, etag: str) -> int:
    """The status for a caller who knows an answer."""
    return int(studio.client.get(f"/api/{path}", headers={"If-None-Match": etag}).status_code)


def test_a_frame_that_was_edited_anew_after_undo_is_sent(studio: Any) -> None:
    project = studio.project()
    path = f"projects/{project}/frames/0"
    studio.say(project, 0, box=[8, 8, 30, 30])
    etag = studio.client.get(f"/api/{path}").headers["etag"]
    assert known(studio, path, etag) == 304
    studio.call("POST", f"projects/{project}/undo")
    studio.say(project, 0, box=[40, 10, 60, 40])  # the same revision, and a row of the same number
    assert known(studio, path, etag) == 200


def test_a_timeline_that_has_grown_is_sent(studio: Any) -> None:
    """A job writes frame by frame into one revision."""
    project = studio.project()
    revision = studio.say(project, 0, box=[8, 8, 30, 30])["revision"]
    path = f"projects/{project}/timeline"
    etag = studio.client.get(f"/api/{path}").headers["etag"]
    assert known(studio, path, etag) == 304
    with studio.services.revisions.edit(project, revision=revision) as edit:
        state = FrameState(result=FrameResult(Rle.from_mask(np.eye(48, 72, dtype=bool)), 0.9, 0.9))
        edit.put_frames([row_of(1, 1, state)])
    assert known(studio, path, etag) == 200
