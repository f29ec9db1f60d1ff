"""A scripted team at work, with broken connections and killed processes: every task ends once, nothing is lost."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sqlalchemy")

from sqlalchemy import func, select

from masklet.engine.records import Event, Lease, Media, TaskState, Verdict, Work
from masklet.engine.store import Store
from masklet.engine.tables import EventRow, MaskletRow, PartRow, TallyRow
from masklet.engine.tasks import Queue, QueueSettings
from masklet.errors import TaskError
from masklet.types import Masklet, Prompts, Rle

TASKS, ANNOTATORS, VERIFIERS = 200, 8, 3
LEASE_SECONDS = 1.0
ENDS = {"released", "expired", "selected", "annotated", "declined", "satisfactory", "unsatisfactory", "reject"}
OPEN = (TaskState.SELECT, TaskState.ANNOTATE, TaskState.VERIFY)


def work(place: str, name: str, log: Path, seed: int) -> None:
    """One member of the team: takes tasks until all have ended; says in the log what was handed in."""
    chance = random.Random(seed)
    states: Sequence[TaskState] = OPEN[2:] if name.startswith("verifier") else OPEN[1::-1]
    if name in ("verifier-0", "annotator-0"):
        states = OPEN[::-1]
    with Store(place) as store, log.open("a", encoding="utf-8") as said:
        queue = Queue(store, QueueSettings(lease_seconds=LEASE_SECONDS, gold_every=0))
        while any(store.tallies()["task"].get(state, 0) for state in OPEN):
            lease = queue.take(name, states)
            if lease is None:
                time.sleep(0.05)
                continue
            fate = chance.random()
            if fate < 0.03:  # the tab is closed
                continue
            if fate < 0.06:
                queue.release(lease)
                continue
            if fate < 0.08:  # asleep for longer than the lease
                time.sleep(1.5 * LEASE_SECONDS)
            try:
                _hand_in(store, queue, lease, said, chance)
            except TaskError as error:
                assert "no longer held" in str(error)  # noqa: PT017  it is another process that fails


def _hand_in(store: Store, queue: Queue, lease: Lease, said: object, chance: random.Random) -> None:
    key = f"{lease.worker}-{lease.token}"
    _maybe_die(chance)
    for _ in range(2 if chance.random() < 0.2 else 1):  # the answer was lost, it is sent again
        if lease.task.state is TaskState.SELECT:
            queue.select(lease, {0: Prompts.click(3, 3)}, key=key, name="square")
        elif lease.task.state is TaskState.ANNOTATE:
            _annotate(store, queue, lease, key, chance)
        else:
            outcome = chance.choices(("satisfactory", "unsatisfactory", "reject"), (7, 2, 1))[0]
            queue.judge(lease, Verdict(outcome=outcome, by=lease.worker), key=key)  # type: ignore[arg-type]
        print(key, file=said, flush=True)  # type: ignore[call-overload]
    _maybe_die(chance)


def _annotate(store: Store, queue: Queue, lease: Lease, key: str, chance: random.Random) -> None:
    media = store.media(lease.task.media)
    mask = np.zeros(media.size, bool)
    mask[2 : 3 + len(key) % 5, 2:9] = True
    masklet = Masklet(lease.task.object_id, media.size, {0: Rle.from_mask(mask)}, {0: 1.0}, {0: 0.5})
    done = Work(author=lease.worker, phase="3", seconds=2.0, clicks=1, prompts={0: Prompts.click(3, 3)}, edited=(0,))
    if chance.random() < 0.02:  # killed in the middle of the transaction
        with store.change() as change:
            change.session.execute(select(EventRow).where(EventRow.task_id == lease.task.id).with_for_update())
            change.count("store", masklets=1000)
            change.finish()
            change.session.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    queue.annotate(lease, masklet, done, key=key)


def _maybe_die(chance: random.Random) -> None:
    if chance.random() < 0.015:
        os.kill(os.getpid(), signal.SIGKILL)


def _fill(store: Store) -> None:
    from masklet.engine.ingest import IngestReport, IngestSettings, insert_media  # noqa: PLC0415  slow to import, and the team needs it not

    for index in range(10):
        name = f"clip-{index}"
        media = Media(content=f"{index:032x}", name=name, path=name, num_bytes=1, num_frames=8, fps=24.0, size=(12, 16))
        with store.change() as change:
            insert_media(change, media, IngestSettings(objects=TASKS // 10), IngestReport())


def _run_team(place: str, folder: Path) -> int:
    """Let everybody work until all is done; a process that is killed is started again. Gives how many were."""
    names = [f"annotator-{i}" for i in range(ANNOTATORS)] + [f"verifier-{i}" for i in range(VERIFIERS)]
    seeds = iter(range(10_000))

    def start(name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, __file__, place, name, str(folder / f"{name}.log"), str(next(seeds))]
        return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})

    running, killed = {name: start(name) for name in names}, 0
    try:
        while running:
            time.sleep(0.05)
            for name, process in list(running.items()):
                if process.poll() == -signal.SIGKILL:
                    killed += 1
                    running[name] = start(name)
                elif process.returncode is not None:
                    assert process.returncode == 0, f"{name} failed"
                    del running[name]
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    return killed


def _check_history(events: list[Event]) -> None:
    """Every step begins where the one before ended; one person at a time; one end; nobody judges their own work."""
    holder, authors = None, set()
    assert [event.what for event in events].count("created") == 1
    for before, event in itertools.pairwise(events):
        assert event.before == before.after
        assert not before.after.ended
        if event.what == "taken":
            assert holder is None
            holder = event.who
        elif event.what in ENDS:
            assert event.who == holder
            holder = None
        if event.what == "annotated":
            authors.add(event.who)
        if event.what in ("satisfactory", "unsatisfactory", "reject"):
            assert event.who not in authors
    assert holder is None
    assert events[-1].after.ended


def _check(store: Store, handed_in: Counter[str]) -> None:
    tasks = store.tasks()
    assert len(tasks) == TASKS
    assert {task.state for task in tasks} == {TaskState.DONE, TaskState.REJECTED}
    histories = {task.id: store.history(task.id) for task in tasks}
    for task in tasks:
        _check_history(histories[task.id])
        versions = store.versions(task.id)
        made = [event for event in histories[task.id] if event.what == "annotated"]
        assert [version.id for version in versions] == [event.version for event in made]
        assert [version.work.author for version in versions] == [event.who for event in made]
        assert [version.parent for version in versions] == [None, *(version.id for version in versions)][
            : len(versions)
        ]
        assert task.version == versions[-1].id
    with store.read() as session:
        keys = set(session.scalars(select(EventRow.key).where(EventRow.key.is_not(None))))
        assert set(handed_in) <= keys  # what anybody was told is kept, is kept
        count = session.scalar(select(func.count()).select_from(MaskletRow))
        assert count == session.scalar(select(func.count()).select_from(PartRow))
        assert count == sum(event.what == "annotated" for events in histories.values() for event in events)
        sums = {(row.subject, row.what): row.value for row in session.scalars(select(TallyRow))}
    assert sums["store", "masklets"] == count
    assert sums["phase:3", "seconds"] == 2.0 * count
    ended = Counter(str(task.state) for task in tasks)
    assert {state: sums["task", str(state)] for state in TaskState} == {state: ended[state] for state in TaskState}
    judged = sum(event.what in ("satisfactory", "unsatisfactory", "reject") for e in histories.values() for event in e)
    assert sum(n for (subject, what), n in sums.items() if subject[:6] == "person" and what == "verified") == judged


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_every_task_ends_once(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    place = str(tmp_path / "project") if kind == "sqlite" else request.getfixturevalue("postgres")
    with Store(place, create=True) as store:
        assert store.dialect == kind
        _fill(store)
        killed = _run_team(place, tmp_path)
        lines = [line for log in tmp_path.glob("*.log") for line in log.read_text(encoding="utf-8").split()]
        _check(store, Counter(lines))
        assert killed > 0
        histories = [event.what for task in store.tasks() for event in store.history(task.id)]
    assert histories.count("expired") > 0
    assert max(Counter(lines).values()) > 1  # some were sent twice


if __name__ == "__main__":
    work(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
