"""How fast the data engine's store answers when it is large: opening, the next task, statistics.

A store is filled with synthetic masklets (2 frames each; the masks are in a table of their own, which none of the
measured calls reads), one task and its history for each: nine tenths have ended, the others wait for a verdict or for
annotation. Then each call is repeated, every time in a project opened anew, and must stay below 200 ms.

    python benchmarks/engine_store.py                        1,000,000 masklets in a temporary SQLite store
    python benchmarks/engine_store.py --masklets 100000
    python benchmarks/engine_store.py --place postgresql://user@host/empty_database
    python benchmarks/engine_store.py --place postgresql://user@host/filled_database --filled
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from masklet.engine.records import TaskState, Verdict
from masklet.engine.serialization import pack
from masklet.engine.store import Store
from masklet.engine.tables import EventRow, MaskletRow, MediaRow, PartRow, TallyRow, TaskRow
from masklet.engine.tasks import Queue, QueueSettings
from masklet.types import Masklet, Rle

SIZE = (12, 16)
OBJECTS = 20
"""Masklets of each media."""

BATCH = 20_000
LIMIT_MS = 200.0


def state_of(number: int) -> TaskState:
    """Nine of ten have ended."""
    if number % 10:
        return TaskState.DONE
    return TaskState.VERIFY if number % 20 else TaskState.ANNOTATE


def rows(first: int, end: int, data: bytes) -> Iterator[tuple[type[Any], list[dict[str, Any]]]]:
    """The rows of masklets ``first`` to ``end - 1``."""
    numbers = range(first, end)
    yield (
        TaskRow,
        [
            {
                "id": i,
                "kind": "proposal",
                "state": str(state_of(i)),
                "media_id": (i - 1) // OBJECTS + 1,
                "object_id": (i - 1) % OBJECTS + 1,
                "name": "",
                "priority": i * 7919 % 5,
                "doubt": i * 104_729 % 1000 / 1000,
                "frames": (3, 1),
                "prompts": {},
                "version": i,
                "author": f"person-{i % 50}",
            }
            for i in numbers
        ],
    )
    yield (
        MaskletRow,
        [
            {
                "id": i,
                "task_id": i,
                "created": 0.0,
                "author": f"person-{i % 50}",
                "phase": "3",
                "model": "nano",
                "source": "assisted",
                "prompts": {},
                "prompted": (0,),
                "edited": (0,),
                "seconds": 9.0,
                "clicks": 2,
                "num_frames": 2,
                "num_visible": 2,
            }
            for i in numbers
        ],
    )
    yield PartRow, [{"masklet_id": i, "part": 0, "data": data} for i in numbers]
    event = {"at": 0.0, "who": "person", "version": None, "note": "", "key": None}
    for what, before in (("created", None), ("annotated", "annotate")):
        yield EventRow, [{"task_id": i, "what": what, "before": before, "after": "verify", **event} for i in numbers]


def fill(store: Store, count: int) -> None:
    """Make a store of so many masklets."""
    mask = Rle(SIZE, b"T10000")
    (data,) = pack(Masklet(1, SIZE, {0: mask, 4: mask}, {0: 1.0, 4: 0.9}, {0: 0.9, 4: 0.8}))
    media = [
        {"id": i, "content": f"{i:032x}", "name": f"clip-{i}", "path": f"clip-{i}.mp4", "num_bytes": 1}
        | {"num_frames": 8, "fps": 24.0, "height": SIZE[0], "width": SIZE[1], "license": "", "split": "train"}
        | {"last_object": OBJECTS}
        for i in range(1, count // OBJECTS + 2)
    ]
    with store.write() as session:
        session.execute(insert(MediaRow), media)
    for first in range(1, count + 1, BATCH):
        with store.write() as session:
            for table, some in rows(first, min(first + BATCH, count + 1), data):
                session.execute(insert(table), some)
    states = [state_of(i) for i in range(1, count + 1)]
    sums: list[tuple[str, str, float]] = [("task", str(state), states.count(state)) for state in set(states)]
    sums += [("store", "masklets", count), ("store", "media", len(media)), ("phase:3", "masklets", count)]
    sums += [(f"person:person-{i}", what, count / 50) for i in range(50) for what in ("annotated", "seconds")]
    with store.write() as session:
        session.execute(insert(TallyRow), [{"subject": a, "what": b, "value": float(n)} for a, b, n in sums])
        if store.dialect == "postgresql":  # ids were given; the next one comes after them
            for name in ("task", "masklet", "media"):
                session.connection().exec_driver_sql(f"SELECT setval('{name}_id_seq', (SELECT max(id) FROM {name}))")
    if store.dialect == "postgresql":
        with store.write() as session:
            session.connection().exec_driver_sql("ANALYZE")


def num_bytes(store: Store, folder: Path) -> int:
    """How large a store is on disk."""
    if store.dialect != "postgresql":
        return sum(file.stat().st_size for file in folder.iterdir())
    with store.read() as session:
        query = "SELECT pg_database_size(current_database())"
        return int(session.connection().exec_driver_sql(query).scalar_one())


def measure(place: str, repeats: int) -> dict[str, list[float]]:
    """Milliseconds of each call, in a project that was opened anew."""
    times: dict[str, list[float]] = {}

    def timed(what: str, call: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = call()
        times.setdefault(what, []).append((time.perf_counter() - started) * 1000)
        return result

    def visit(index: int) -> None:
        name = f"person-{index % 50}"  # who has worked on every 50th of the tasks
        with timed("open the project", lambda: Store(place)) as store:
            queue = Queue(store, QueueSettings(gold_every=0))
            timed("statistics", store.tallies)
            lease = timed("next task to verify", lambda: queue.take(name, [TaskState.VERIFY]))
            said = Verdict(outcome="satisfactory", by=name)
            timed("hand in a verdict", lambda: queue.judge(lease, said, key=f"{time.time_ns()}"))
            timed("next task to annotate", lambda: queue.take(name, [TaskState.ANNOTATE]))
            timed("a task's history", lambda: store.history(lease.task.id))
            timed("a masklet", lambda: store.version(lease.task.version))

    for index in range(repeats):
        visit(index)
    return times


def main() -> int:
    """Fill, measure, print a table; fails where a call is too slow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--masklets", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--place", default="", help="an empty PostgreSQL database, instead of a temporary folder")
    parser.add_argument("--filled", action="store_true", help="the place was filled by this program before")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = asked.place or folder
        started = time.perf_counter()
        with Store(place, create=True) as store:
            if not asked.filled:
                fill(store, asked.masklets)
            dialect, size = store.dialect, num_bytes(store, Path(folder)) / 2**20
            count = round(store.tallies()["store"]["masklets"])
        filled = "filled before" if asked.filled else f"filled in {time.perf_counter() - started:.0f} s"
        times = measure(place, asked.repeats)
    print(f"{count:,} masklets in {dialect}, {filled}, {size:.0f} MiB")
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {datetime.date.today()}")
    print(f"\n{'call':24} {'median ms':>10} {'worst ms':>10}   ({asked.repeats} repeats, limit {LIMIT_MS:.0f} ms)")
    for what, values in times.items():
        verdict = "" if statistics.median(values) < LIMIT_MS else "   TOO SLOW"
        print(f"{what:24} {statistics.median(values):10.1f} {max(values):10.1f}{verdict}")
    return int(any(statistics.median(values) >= LIMIT_MS for values in times.values()))


if __name__ == "__main__":
    sys.exit(main())
