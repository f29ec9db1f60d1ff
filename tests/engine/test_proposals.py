"""Proposals: every media once, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from jaxtyping import UInt8
from PIL import Image

pytest.importorskip("sqlalchemy")

from masklet.engine.ingest import IngestReport, IngestSettings, add_media, insert_media
from masklet.engine.proposals import MaskletSearch, Proposal, propose, unsearched_media
from masklet.engine.records import Media, TaskKind, TaskState
from masklet.engine.store import Store
from masklet.errors import MediaError
from masklet.model.sam2 import Sam2
from masklet.predict.automatic_masklets import EverythingSettings
from masklet.predict.automatic_masks import AutomaticSettings, Layer
from masklet.types import Rle

if TYPE_CHECKING:
    from tests.engine.conftest import MakeMasklet


@dataclass
class Scripted:
    """Finds a masklet in each media; fails on some, and dies before one."""

    masklet_of: MakeMasklet
    failing: tuple[str, ...] = ()
    dies_at: str = ""
    backward: dict[int, Rle] | None = None
    searched: list[str] = field(default_factory=list)

    def start_worker(self) -> Callable[[Media], list[Proposal]]:
        return self.search

    def search(self, media: Media) -> list[Proposal]:
        if media.name == self.dies_at:
            raise KeyboardInterrupt
        self.searched.append(media.name)
        if media.name in self.failing:
            raise MediaError("cannot be decoded")
        return [Proposal(self.masklet_of(media, {0: 0.9, 3: 0.4}), self.backward)]


@pytest.fixture
def clips(store: Store, media: Media) -> list[Media]:
    others = [replace(media, content=f"{i:032x}", name=f"clip-{i}") for i in (1, 2, 3)]
    for one in others:
        with store.change() as change:
            insert_media(change, one, IngestSettings(), IngestReport())
    return others


def test_proposals_wait_for_a_verdict(store: Store, clips: list[Media], masklet_of: MakeMasklet) -> None:
    done: list[str] = []
    told = propose(store, Scripted(masklet_of), "scripted", priority=2, progress=lambda media: done.append(media.name))
    assert (told.media, told.masklets, told.before, told.failed) == (4, 4, 0, {})
    assert done == ["clip-0000", "clip-1", "clip-2", "clip-3"]
    for task in store.tasks():
        assert (task.kind, task.state, task.priority) == (TaskKind.PROPOSAL, TaskState.VERIFY, 2)
        assert (task.frames, task.doubt) == ((3,), 0.6)
        assert task.version is not None
        work = store.version(task.version).work
        assert (work.author, work.phase, work.model) == ("scripted", "auto", "scripted")
        assert [event.what for event in store.history(task.id)] == ["created", "proposed"]
    assert store.tallies()["phase:auto"]["masklets"] == 4


def test_both_ways(store: Store, media: Media, masklet_of: MakeMasklet) -> None:
    elsewhere = masklet_of(media, {0: 1.0}, left=9).frames[0]
    propose(store, Scripted(masklet_of, backward={0: elsewhere}), "scripted")
    (task,) = store.tasks()
    assert task.frames == (0, 3)  # frame 0 only because the two passes disagree there
    note = store.history(task.id)[-1].note
    assert note == "passes disagree (frame 0)"


def test_killed_and_started_again(store: Store, clips: list[Media], masklet_of: MakeMasklet) -> None:
    finder = Scripted(masklet_of, failing=("clip-1",), dies_at="clip-2")
    with pytest.raises(KeyboardInterrupt):
        propose(store, finder, "scripted")
    assert finder.searched == ["clip-0000", "clip-1"]
    again = Scripted(masklet_of)
    told = propose(store, again, "scripted")
    assert again.searched == ["clip-1", "clip-2", "clip-3"]  # what failed is tried again
    assert (told.media, told.before) == (3, 1)
    assert len(store.tasks()) == 4
    assert propose(store, Scripted(masklet_of), "scripted").media == 0
    assert propose(store, Scripted(masklet_of), "other", limit=2).media == 2


def test_what_fails_is_named(store: Store, clips: list[Media], masklet_of: MakeMasklet) -> None:
    told = propose(store, Scripted(masklet_of, failing=("clip-1", "clip-3")), "scripted")
    assert (told.media, told.masklets) == (2, 2)
    assert told.failed == {"clip-1": "cannot be decoded", "clip-3": "cannot be decoded"}
    assert [media.name for media in unsearched_media(store, "scripted")[0]] == ["clip-1", "clip-3"]


def test_two_search_at_once(store: Store, clips: list[Media], masklet_of: MakeMasklet) -> None:
    class Slow(Scripted):
        def start_worker(self) -> Callable[[Media], list[Proposal]]:
            propose(store, Scripted(masklet_of), "scripted")  # somebody else is faster
            return self.search

    told = propose(store, Slow(masklet_of), "scripted")
    assert (told.media, told.masklets) == (0, 0)
    assert len(store.tasks()) == 4


def test_masklet_of_another_size_harms_no_other(store: Store, clips: list[Media], masklet_of: MakeMasklet) -> None:
    class Wrong(Scripted):
        def search(self, media: Media) -> list[Proposal]:
            (found,) = super().search(media)
            return [Proposal(replace(found.masklet, size=(1, 1))) if media.name == "clip-1" else found]

    told = propose(store, Wrong(masklet_of), "scripted")
    assert told.masklets == 3
    assert "expected masks of 16x12 pixels" in told.failed["clip-1"]


def test_a_model_looks(store: Store, tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"], tmp_path: Path) -> None:
    for name in ("whole", "gone"):
        (tmp_path / name).mkdir()
        for index, frame in enumerate(clip[:4] if name == "whole" else clip[4:6]):
            Image.fromarray(frame).save(tmp_path / name / f"{index}.png")
    add_media(store, [tmp_path / "whole", tmp_path / "gone"])
    for path in (tmp_path / "gone").iterdir():
        path.unlink()
    settings = EverythingSettings(every=2, max_objects=2, min_frames=1)
    anything = AutomaticSettings(layers=(Layer(points=3),), min_iou=-1, min_stability=0, max_share=1)
    search = MaskletSearch(model=tiny, settings=settings, key_frames=anything)
    told = propose(store, search, search.model_name())
    assert (told.media, list(told.failed)) == (1, ["gone"])
    assert told.masklets == len(store.tasks()) > 0
    versions = [store.version(task.version) for task in store.tasks() if task.version]
    assert all(one.masklet.source == "automatic" and set(one.masklet.frames) <= set(range(4)) for one in versions)
    assert {task.object_id for task in store.tasks()} == set(range(1, told.masklets + 1))
