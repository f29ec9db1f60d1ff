"""Compare J and F with the public `vos-benchmark` on 200 hard pairs of label maps and on sequences; store its numbers.

    python benchmarks/metrics_parity.py                    # compare (needs: pip install vos-benchmark)
    python benchmarks/metrics_parity.py --store            # and write tests/evaluate/data/vos_benchmark.json
    python benchmarks/metrics_parity.py --mose-kit FOLDER  # also MOSEv2's scores; FOLDER holds its metricsv2.py

The pairs are generated from fixed seeds by a random generator that never changes, so only the numbers are stored.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from masklet.evaluate.metrics.frames import FrameMetric, object_ids_in
from masklet.evaluate.metrics.sequences import SequenceScores, object_scores

STORED = Path(__file__).parents[1] / "tests" / "evaluate" / "data" / "vos_benchmark.json"
SIZES = ((1, 1), (1, 37), (37, 1), (2, 2), (24, 31), (60, 80), (120, 90), (97, 260), (240, 427), (480, 854))

Draw = np.random.RandomState
Map = np.ndarray
Scores = dict[str, list[float]]  # object id -> J, F
Drawer = Callable[[Draw, tuple[int, int]], tuple[Map, Map]]


def blobs(draw: Draw, size: tuple[int, int], count: int = 1) -> Map:
    """Draw a label map of ellipses with ids 1 to count, at least a pixel each, later ones in front."""
    height, width = size
    y, x = np.ogrid[:height, :width]
    labels = np.zeros(size, np.uint8)
    for i in range(1, count + 1):
        cy, cx, ry, rx = draw.random_sample(4) * (height - 0.5, width - 0.5, height / 3, width / 3) + (0, 0, 0.6, 0.6)
        labels[((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1] = i
        labels[int(cy), int(cx)] = i
    return labels


def moved(draw: Draw, labels: Map) -> Map:
    """Shift a label map by a few pixels and change a few pixels."""
    shift = (draw.random_sample(2) * 7 - 3).astype(int)
    result = np.roll(labels, tuple(shift.tolist()), (0, 1))
    wrong = draw.random_sample(labels.shape) < 0.002
    result[wrong] = draw.random_sample(int(wrong.sum())) * 4
    return result


def empty_truth(draw: Draw, size: tuple[int, int]) -> tuple[Map, Map]:
    return blobs(draw, size), np.zeros(size, np.uint8)


def empty_prediction(draw: Draw, size: tuple[int, int]) -> tuple[Map, Map]:
    return np.zeros(size, np.uint8), blobs(draw, size)


def one_pixel(draw: Draw, size: tuple[int, int]) -> tuple[Map, Map]:
    maps = np.zeros((2, size[0] * size[1]), np.uint8)
    spots = (draw.random_sample(2) * 4).astype(int) + int(draw.random_sample() * maps.shape[1])
    maps[[0, 1], spots % maps.shape[1]] = 1
    return maps[0].reshape(size), maps[1].reshape(size)


def whole_frame(draw: Draw, size: tuple[int, int]) -> tuple[Map, Map]:
    full = np.ones(size, np.uint8)
    other = (full, blobs(draw, size), 1 - blobs(draw, size))[int(draw.random_sample() * 3)]
    return (full, other) if draw.random_sample() < 0.5 else (other, full)


def holes(draw: Draw, size: tuple[int, int]) -> tuple[Map, Map]:
    truth = blobs(draw, size) * (draw.random_sample(size) < 0.97).astype(np.uint8)
    return moved(draw, truth), truth


def thin_lines(draw: Draw, size: tuple[int, int]) -> tuple[Map, Map]:
    y, x = np.ogrid[: size[0], : size[1]]
    slope = int(draw.random_sample() * 3)
    truth = ((y * slope + x) % (5 + int(draw.random_sample() * 30)) == 0).astype(np.uint8)
    return moved(draw, truth), truth


def touching_borders(draw: Draw, size: tuple[int, int]) -> tuple[Map, Map]:
    truth = np.zeros(size, np.uint8)
    for side in (truth, truth.T, truth[::-1], truth.T[::-1]):
        if draw.random_sample() < 0.6:
            side[: 1 + int(draw.random_sample() * len(side) / 3)] = 1
    return moved(draw, truth), truth


def void(draw: Draw, size: tuple[int, int]) -> tuple[Map, Map]:
    truth = blobs(draw, size, 2)
    prediction = moved(draw, truth)
    truth[blobs(draw, size) > 0] = 255
    return prediction, truth


def label_maps(draw: Draw, size: tuple[int, int]) -> tuple[Map, Map]:
    truth = blobs(draw, size, 5)
    return moved(draw, truth), truth


def noise(draw: Draw, size: tuple[int, int]) -> tuple[Map, Map]:
    density = draw.random_sample() ** 3
    truth, prediction = ((draw.random_sample(size) < density).astype(np.uint8) for _ in range(2))
    return prediction, truth


KINDS: tuple[Drawer, ...] = (
    empty_truth, empty_prediction, one_pixel, whole_frame, holes, thin_lines, touching_borders, void, label_maps, noise
)  # fmt: skip


def mask_pairs() -> Iterator[tuple[str, Map, Map]]:
    """Yield 200 pairs: name, prediction, truth."""
    for number in range(2):
        for kind in KINDS:
            for size in SIZES:
                draw = np.random.RandomState([number, KINDS.index(kind), SIZES.index(size)])
                yield f"{kind.__name__} {size[0]}x{size[1]} {number}", *kind(draw, size)


def sequences() -> Iterator[tuple[str, list[Map], list[Map]]]:
    """Yield 6 sequences of 12 frames whose objects appear and disappear: name, predictions, truths."""
    for number in range(6):
        draw = np.random.RandomState([7, number])
        truths = [blobs(draw, (48, 64), 4) for _ in range(12)]
        predictions = [moved(draw, truth) for truth in truths]
        for maps in (truths, predictions):
            for i in range(1, 5):
                start, stop = np.sort(draw.random_sample(2) * 14).astype(int).tolist()
                for t, labels in enumerate(maps):
                    labels[(labels == i) & ~(start <= t < stop)] = 0
        yield f"sequence {number}", predictions, truths


def our_pair(prediction: Map, truth: Map) -> Scores:
    ids = object_ids_in([truth, prediction])
    return our_sequence([prediction], [truth], ids, j_and_f=True)


def our_sequence(predictions: list[Map], truths: list[Map], ids: tuple[int, ...], *, j_and_f: bool = False) -> Scores:
    metric = FrameMetric()
    frames = [metric.score_labels(p, t, ids) for p, t in zip(predictions, truths, strict=True)]
    if not ids:
        return {}
    scores = SequenceScores.from_frames(ids, frames)
    if j_and_f:
        return {str(i): [j, f] for i, j, f in zip(ids, scores.j[0].tolist(), scores.f[0].tolist(), strict=True)}
    return {str(one.object_id): [one.j, one.f] for one in object_scores(scores, skip_ends=False)}


def our_mose(prediction: Map, truth: Map) -> Scores:
    ids = object_ids_in([truth, prediction])
    score = FrameMetric(adaptive=True).score_labels(prediction, truth, ids)
    assert score.adaptive_f is not None
    j = (score.intersection + 1) / (score.union + 1)
    return {str(i): [*pair] for i, *pair in zip(ids, j.tolist(), score.adaptive_f.tolist(), strict=True)}


def peer_pair(evaluator: Any, prediction: Map, truth: Map) -> Scores:
    evaluator.feed_frame(prediction, truth)
    return {str(i): [float(j[0]), float(evaluator.boundary_f[i][0])] for i, j in evaluator.object_iou.items()}


def peer_sequence(evaluator: Any, predictions: list[Map], truths: list[Map]) -> Scores:
    for prediction, truth in zip(predictions, truths, strict=True):
        evaluator.feed_frame(prediction, truth)
    j, f = evaluator.conclude()  # in percent
    return {str(i): [float(j[i]) / 100, float(f[i]) / 100] for i in j}


def kit_pair(kit: Any, prediction: Map, truth: Map) -> Scores:
    result = {}
    for i in object_ids_in([truth, prediction]):
        p, t = (prediction == i).astype(np.uint8), (truth == i).astype(np.uint8)
        j, _ = kit.db_eval_iou(t[None], p[None])
        _, f = kit.f_measure_adaptive(p, t, bound_th=0.1, mode="area")
        result[str(i)] = [float(j[0]), float(f)]
    return result


def difference(ours: Scores, theirs: Scores) -> float:
    """Return the largest difference in percentage points; infinite if the objects differ."""
    if ours.keys() != theirs.keys():
        return float("inf")
    return 100 * max((abs(a - b) for i in ours for a, b in zip(ours[i], theirs[i], strict=True)), default=0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", action="store_true")
    parser.add_argument("--mose-kit", type=Path)
    options = parser.parse_args()
    try:
        evaluator = importlib.import_module("vos_benchmark.evaluator").Evaluator
    except ImportError as error:
        raise SystemExit(f"the peer is not installed ({error}): pip install vos-benchmark") from None
    pairs, runs = list(mask_pairs()), list(sequences())
    theirs = {
        "pairs": {name: peer_pair(evaluator(), p, t) for name, p, t in pairs},
        "sequences": {name: peer_sequence(evaluator(), p, t) for name, p, t in runs},
    }
    ours = {
        "pairs": {name: our_pair(p, t) for name, p, t in pairs},
        "sequences": {name: our_sequence(p, t, object_ids_in(t)) for name, p, t in runs},
    }
    if options.mose_kit:
        sys.path.insert(0, str(options.mose_kit))
        kit = importlib.import_module("metricsv2")
        large = [(name, p, t) for name, p, t in pairs if np.hypot(*t.shape) >= 147]  # below, its disk has no center
        theirs["mose"] = {name: kit_pair(kit, p, t) for name, p, t in large}
        ours["mose"] = {name: our_mose(p, t) for name, p, t in large}
    for part, expected in theirs.items():
        worst = max(difference(ours[part][name], expected[name]) for name in expected)
        objects = sum(map(len, expected.values()))
        print(f"{part}: {len(expected)} with {objects} objects, largest difference {worst:.2g} points")
    if options.store:
        store(theirs)


def store(numbers: dict[str, dict[str, Scores]]) -> None:
    """Write a JSON file with one line for each pair or sequence."""
    parts = []
    for part, rows in numbers.items():
        rounded = {name: {i: [round(x, 9) for x in pair] for i, pair in row.items()} for name, row in rows.items()}
        lines = [f"{json.dumps(name)}: {json.dumps(row)}" for name, row in rounded.items()]
        parts.append(f"{json.dumps(part)}: {{\n" + ",\n".join(lines) + "\n}")
    STORED.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
    print(f"wrote {STORED.name}: {STORED.stat().st_size} bytes")


if __name__ == "__main__":
    main()
