"""Leases, hand-ins and verdicts: one person at a time, once each, in order."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("sqlalchemy")

from masklet.engine.ingest import add_gold, add_object_tasks
from masklet.engine.records import Lease, Media, TaskKind, TaskState, Verdict, Work
from masklet.engine.store import Store
from masklet.engine.tasks import Queue, QueueSettings, agreement
from masklet.errors import FormatError, TaskError
from masklet.types import Masklet, Prompts, Rle

if TYPE_CHECKING:
    from tests.engine.conftest import Clock, MakeMasklet

SELECT, ANNOTATE, VERIFY, DONE, REJECTED = TaskState
GOOD = {0: 0.95, 1: 0.95}


@pytest.fixture
def queue(store: Store, media: Media) -> Queue:
    add_object_tasks(store, media.content, 3)
    return Queue(store, QueueSettings(lease_seconds=60, gold_every=0))


def taken(queue: Queue, worker: str, *states: TaskState, **only: Any) -> Lease:
    lease = queue.take(worker, states, **only)
    assert lease is not None
    return lease


def to_annotate(queue: Queue, worker: str = "ann") -> Lease:
    lease = taken(queue, worker, SELECT)
    queue.select(lease, {0: Prompts.click(3, 3)}, key=f"select-{lease.task.id}", name="square")
    return taken(queue, worker, ANNOTATE, task=lease.task.id)


def to_verify(queue: Queue, masklet: Masklet, worker: str = "ann") -> int:
    lease = to_annotate(queue, worker)
    queue.annotate(lease, masklet, Work(author=worker, phase="3"), key=f"annotate-{lease.token}")
    return lease.task.id


def whats(store: Store, task: int) -> list[str]:
    return [event.what for event in store.history(task)]


def test_from_selection_to_the_end(queue: Queue, media: Media, masklet_of: MakeMasklet) -> None:
    lease = to_annotate(queue)
    assert (lease.task.name, lease.task.state, list(lease.task.prompts)) == ("square", ANNOTATE, [0])
    done = Work(
        author="ann", phase="3", model="nano", prompts={0: Prompts.click(3, 3)}, seconds=9.5, clicks=1, edited=(0,)
    )
    masklet = masklet_of(media, {0: 0.95, 1: 0.2, 2: 0.6})
    version = queue.annotate(lease, masklet, done, key="a")
    task = queue.store.task(lease.task.id)
    assert (task.state, task.version, task.frames, task.doubt) == (VERIFY, version, (1,), 0.8)
    kept = queue.store.version(version)
    assert (kept.masklet.frames, kept.masklet.iou, kept.masklet.name) == (masklet.frames, masklet.iou, "square")
    assert (kept.work.author, kept.work.seconds, kept.work.clicks, kept.work.edited) == ("ann", 9.5, 1, (0,))
    assert (kept.parent, kept.created, kept.media) == (None, 1000.0, media.content)
    queue.judge(taken(queue, "bob", VERIFY), Verdict(outcome="satisfactory", by="bob"), key="v")
    assert queue.store.task(task.id).state is DONE
    assert [version.id for version in queue.store.accepted()] == [version]
    history = ["created", "taken", "selected", "taken", "annotated", "taken", "satisfactory"]
    assert whats(queue.store, task.id) == history


def test_unsatisfactory_goes_back_with_the_wrong_frames(queue: Queue, media: Media, masklet_of: MakeMasklet) -> None:
    task = to_verify(queue, masklet_of(media, {0: 0.95, 1: 0.2}))
    said = Verdict(outcome="unsatisfactory", by="bob", note="too large", frames=(6, 1))
    queue.judge(taken(queue, "bob", VERIFY), said, key="v")
    lease = taken(queue, "cid", ANNOTATE)
    assert (lease.task.id, lease.task.frames) == (task, (6, 1))
    queue.annotate(lease, masklet_of(media, GOOD), Work(author="cid", phase="3"), key="b")
    first, second = queue.store.versions(task)
    assert (second.parent, second.work.author) == (first.id, "cid")
    assert queue.store.history(task)[6].note == "too large"


def test_nobody_judges_their_own_work(queue: Queue, media: Media, masklet_of: MakeMasklet) -> None:
    task = to_verify(queue, masklet_of(media, GOOD))
    assert queue.take("ann", [VERIFY]) is None
    assert queue.take("ann", [VERIFY], task=task) is None
    queue.judge(taken(queue, "bob", VERIFY), Verdict(outcome="unsatisfactory", by="bob"), key="v")
    lease = taken(queue, "cid", ANNOTATE)
    queue.annotate(lease, masklet_of(media, GOOD), Work(author="cid", phase="3"), key="b")
    assert queue.take("ann", [VERIFY]) is None  # an earlier version is hers
    assert queue.take("bob", [VERIFY]) is not None


@pytest.mark.parametrize("frame", [-1, 10**6])
def test_a_verdict_is_about_frames_that_are_there(
    queue: Queue, media: Media, masklet_of: MakeMasklet, frame: int
) -> None:
    task = to_verify(queue, masklet_of(media, GOOD))
    lease = taken(queue, "bob", VERIFY)
    with pytest.raises(TaskError, match=str(frame)):
        queue.judge(lease, Verdict(outcome="unsatisfactory", by="bob", frames=(0, frame)), key="v")
    assert queue.store.task(task).state is VERIFY


@pytest.mark.parametrize(("outcome", "end"), [("satisfactory", DONE), ("reject", REJECTED)])
def test_ends_are_ends(queue: Queue, media: Media, masklet_of: MakeMasklet, outcome: Any, end: TaskState) -> None:
    task = to_verify(queue, masklet_of(media, GOOD))
    queue.judge(taken(queue, "bob", VERIFY), Verdict(outcome=outcome, by="bob"), key="v")
    assert queue.store.task(task).state is end
    assert end.ended
    assert queue.take("cid", list(TaskState), task=task) is None


def test_declined(queue: Queue) -> None:
    lease = taken(queue, "ann", SELECT)
    queue.decline(lease, key="d", note="nothing left")
    assert queue.store.task(lease.task.id).state is REJECTED
    assert queue.store.history(lease.task.id)[-1].note == "nothing left"


def test_one_person_at_a_time(queue: Queue) -> None:
    names = [f"person-{i}" for i in range(8)]
    leases: list[Lease | None] = []
    threads = [threading.Thread(target=lambda n=name: leases.append(queue.take(n, [SELECT]))) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(lease.task.id for lease in leases if lease is not None) == [1, 2, 3]


def test_leases_end(queue: Queue, clock: Clock) -> None:
    first = taken(queue, "ann", SELECT, task=1)
    assert first.until == 1060.0
    assert [lease.token for lease in queue.held("ann")] == [first.token]
    clock.now = 1059.0
    assert queue.take("bob", [SELECT], task=1) is None
    assert queue.renew(first).until == 1119.0
    clock.now = 1119.0
    second = taken(queue, "bob", SELECT, task=1)
    assert whats(queue.store, 1) == ["created", "taken", "expired", "taken"]
    for call in (
        lambda: queue.renew(first),
        lambda: queue.select(first, {0: Prompts.click(1, 1)}, key="late"),
        lambda: queue.decline(first, key="late", note=""),
    ):
        with pytest.raises(TaskError, match="bob"):
            call()
    queue.release(first)  # too late to matter
    assert queue.renew(second).worker == "bob"


def test_late_but_nobody_else_came(queue: Queue, clock: Clock) -> None:
    lease = taken(queue, "ann", SELECT)
    clock.now += 10_000
    queue.select(lease, {0: Prompts.click(1, 1)}, key="late")
    assert queue.store.task(lease.task.id).state is ANNOTATE


def test_given_back(queue: Queue) -> None:
    lease = taken(queue, "ann", SELECT, task=1)
    queue.release(lease)
    queue.release(lease)
    assert taken(queue, "bob", SELECT).task.id == 1
    assert whats(queue.store, 1) == ["created", "taken", "released", "taken"]


def test_who_holds_what(queue: Queue, clock: Clock) -> None:
    for worker in ("ann", "bob"):
        taken(queue, worker, SELECT)
    assert [(lease.worker, lease.task.id) for lease in queue.held()] == [("ann", 1), ("bob", 2)]
    assert [lease.task.id for lease in queue.held("bob")] == [2]
    assert [task.id for task in queue.upcoming()] == [3]
    clock.now += 61
    assert queue.held() == []
    assert [task.id for task in queue.upcoming(limit=2)] == [1, 2]


def test_handed_in_once(queue: Queue, media: Media, masklet_of: MakeMasklet) -> None:
    lease = to_annotate(queue)
    masklet, done = masklet_of(media, GOOD), Work(author="ann", phase="2", seconds=4.0)
    versions = {queue.annotate(lease, masklet, done, key="same") for _ in range(3)}
    assert len(versions) == 1
    assert len(queue.store.versions(lease.task.id)) == 1
    assert queue.store.tallies()["phase:2"]["seconds"] == 4.0
    check = taken(queue, "bob", VERIFY)
    for _ in range(2):
        queue.judge(check, Verdict(outcome="reject", by="bob"), key="once")
    assert queue.store.tallies()["person:bob"] == {"verified": 1.0}
    with pytest.raises(TaskError, match="once"):
        queue.select(taken(queue, "bob", SELECT), {}, key="once")


def test_order(store: Store, media: Media, masklet_of: MakeMasklet) -> None:
    queue = Queue(store, QueueSettings(gold_every=0))
    add_object_tasks(store, media.content, 5)
    for scores in ({0: 0.7}, {0: 0.3}, {0: 0.95}):
        to_verify(queue, masklet_of(media, scores))
    queue.prioritize(3, 1)
    assert [task.id for task in queue.upcoming(media=media.content)] == [3, 2, 1, 4, 5]
    assert queue.upcoming([TaskState.DONE], media="00") == []
    assert [taken(queue, "bob", VERIFY).task.id for _ in range(3)] == [3, 2, 1]
    queue.flag(5, {4: 0.5, 2: 0.9}, note="the area jumps")
    assert store.task(5).frames == (2, 4)
    lease = queue.take("bob")
    assert lease is not None
    assert (lease.task.id, lease.task.state) == (5, SELECT)


def test_only_of_one_media(queue: Queue) -> None:
    assert queue.take("ann", [SELECT], media="ff" * 16) is None
    assert queue.take("ann", [SELECT], media="00" * 16) is not None


def test_gold(store: Store, media: Media, masklet_of: MakeMasklet) -> None:
    add_object_tasks(store, media.content, 6)
    add_gold(store, media.content, masklet_of(media, {0: 1.0, 1: 1.0}), {0: Prompts.click(3, 3)})
    queue = Queue(store, QueueSettings(gold_every=2))
    ids = []
    for left in (2, 4, 2, 2):
        to_work = queue.take("ann", [SELECT])
        assert to_work is not None
        queue.select(to_work, {0: Prompts.click(1, 1)}, key=f"s{to_work.task.id}")
        lease = taken(queue, "ann", ANNOTATE)
        ids.append(lease.task.kind)
        work = Work(author="ann", phase="3")
        queue.annotate(lease, masklet_of(media, {0: 1.0, 1: 1.0}, left=left), work, key=f"a{lease.token}")
    assert ids == [TaskKind.OBJECT, TaskKind.GOLD, TaskKind.OBJECT, TaskKind.OBJECT]  # each gold task once a person
    sums = store.tallies()
    assert sums["person:ann"]["gold"] == 1
    assert sums["person:ann"]["agreement"] == pytest.approx(1 / 3)  # 4 x 4 squares, shifted by 2
    events = [event for task in range(1, 9) for event in store.history(task)]
    note = next(event.note for event in events if "known answer" in event.note)
    assert "2 frames" in note
    assert "0.33" in note
    assert sums["store"]["masklets"] == 3  # gold is no part of the data set
    assert sum(sums["task"].values()) == 6
    assert all(task.kind is not TaskKind.GOLD or task.state is DONE for task in store.tasks())


def test_gold_that_was_given_back_comes_again(store: Store, media: Media, masklet_of: MakeMasklet) -> None:
    add_gold(store, media.content, masklet_of(media, {0: 1.0}), {})
    queue = Queue(store, QueueSettings(gold_every=1))
    first = taken(queue, "ann", ANNOTATE)
    queue.release(first)
    assert taken(queue, "ann", ANNOTATE).task.id == first.task.id
    assert taken(queue, "bob", ANNOTATE).task.id != first.task.id


@pytest.mark.parametrize(
    ("known", "given", "expected"),
    [
        ({0: "full"}, {0: "full"}, 1.0),
        ({0: "full", 1: "none"}, {0: "full"}, 1.0),
        ({0: "full", 1: "full"}, {0: "full", 1: "none"}, 0.5),
        ({0: "none"}, {0: "full"}, 0.0),
        ({}, {0: "full"}, 0.0),
    ],
)
def test_agreement(known: dict[int, str], given: dict[int, str], expected: float) -> None:
    codes = {"full": Rle((2, 2), b"04"), "none": Rle((2, 2), b"4")}
    one, other = (Masklet(1, (2, 2), {i: codes[name] for i, name in said.items()}) for said in (known, given))
    assert agreement(one, other) == expected


def test_bad_hand_ins(queue: Queue, media: Media, masklet_of: MakeMasklet) -> None:
    with pytest.raises(TaskError, match="name"):
        queue.take(" ")
    with pytest.raises(TaskError, match="99"):
        queue.store.task(99)
    lease = to_annotate(queue)
    done = Work(author="ann", phase="3")
    bad: Sequence[tuple[Masklet, Work, type[Exception], str]] = [
        (masklet_of(media, GOOD), Work(author="bob", phase="3"), TaskError, "bob"),
        (Masklet(1, media.size), done, FormatError, "clip-0000"),
        (Masklet(1, (3, 3), {0: Rle((3, 3), b"9")}), done, FormatError, "3x3"),
        (masklet_of(media, {8: 1.0}), done, FormatError, "8"),
    ]
    for masklet, work, kind, value in bad:
        with pytest.raises(kind, match=value):
            queue.annotate(lease, masklet, work, key="k")
    with pytest.raises(TaskError, match="annotate"):
        queue.judge(lease, Verdict(outcome="reject", by="ann"), key="k")
    assert queue.store.versions(lease.task.id) == []
    assert queue.annotate(lease, masklet_of(media, GOOD), done, key="k") == 1
