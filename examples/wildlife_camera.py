"""Find and track animals before a camera at night: python wildlife_camera.py out

The footage is simulated, so that the right answer is known: two minutes of a still, dark, noisy scene through which
four-legged animals walk three times, behind tree trunks. Motion against the resting scene finds a visit and gives the
first box; then the model tracks until the animal is gone. While nothing moves the model does not run. The folder out
gets night.mp4, visits.csv, visits.json and visits.png.
"""

import sys
from collections import deque
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import ndimage

import masklet
from masklet.io import OverlayWriter, draw_overlay, write_image

SIZE, FPS, FRAMES = (240, 320), 5, 600
WALKS = {75: (1.0, 8.0), 260: (0.7, -5.0), 450: (1.3, 9.0)}  # first frame -> how large, pixels a frame
GONE_FRAMES = 6  # so long unseen is gone; shorter is behind a tree
Y, X = np.mgrid[: SIZE[0], : SIZE[1]]


def animal(age: int, scale: float, speed: float) -> np.ndarray:
    """Which pixels it covers."""
    x = (X - (SIZE[1] / 2 - 230 * np.sign(speed) + speed * age)) / scale * np.sign(speed)
    y = (Y - 160) / scale
    parts = [(0, 0, 26, 13), (30, -12, 9, 8), (38, -9, 6, 4), (27, -20, 3, 6), (-27, -6, 8, 3)]
    inside = np.any([((x - a) / rx) ** 2 + ((y - b) / ry) ** 2 < 1 for a, b, rx, ry in parts], axis=0)
    for number, hip in enumerate((-18, -10, 12, 20)):
        swing = 6 * np.sin(0.6 * age + number * np.pi / 2) * (y / 24).clip(0, 1)
        inside |= (np.abs(x - hip - swing) < 3) & (y > 0) & (y < 26)
    return np.asarray(inside)


def film(path: Path) -> dict[int, np.ndarray]:
    """Make the footage; where an animal is to be seen, by frame."""
    noise = np.random.default_rng(0)
    ground = 25 + 80 * ndimage.gaussian_filter(noise.random(SIZE), (2, 6)) + 15 * (Y > 150)
    trunks = np.any([np.abs(X - at - 4 * np.sin(Y / 40)) < 6 for at in (30, 95, 205, 290)], axis=0) & (Y < 190)
    light = np.exp(-(((X - 160) / 170) ** 2) - ((Y - 170) / 110) ** 2)
    truth = {}
    with OverlayWriter(path, fps=FPS) as camera:
        for index in range(FRAMES):
            scene = ground.copy()
            for start, walk in WALKS.items():
                seen = animal(index - start, *walk) & ~trunks if 0 <= index - start < 200 else np.zeros(SIZE, bool)
                scene[seen] = 120 + 15 * np.sin(X / 5)[seen]
                if seen.any():
                    truth[index] = seen
            scene[trunks] = 70
            dark = (0.4 * scene * light + 6 + noise.normal(0, 2.5, SIZE)).clip(0, 255).astype(np.uint8)
            nothing = masklet.FrameMasks(index, (), np.zeros((0, *SIZE), bool), *np.zeros((2, 0), np.float32))
            camera.write(np.repeat(dark[:, :, None], 3, axis=2), nothing)
    return truth


class Motion:
    """What differs from the scene at rest, which is learned from the frames on which nothing moves."""

    def __init__(self) -> None:
        self.rest: np.ndarray | None = None
        self.spread = 1.0

    def box(self, frame: np.ndarray) -> np.ndarray | None:
        """x0, y0, x1, y1 of the largest thing that moves, once it is some 300 pixels large; else None."""
        smooth = ndimage.gaussian_filter(frame.mean(axis=2), 2)
        self.rest = smooth if self.rest is None else self.rest
        differs = np.abs(smooth - self.rest)
        labels, count = ndimage.label(differs > 6 * self.spread)
        sizes = np.bincount(labels.ravel(), minlength=2)[1:]
        if not count or sizes.max() < 300:
            self.rest = 0.95 * self.rest + 0.05 * smooth
            self.spread = 0.95 * self.spread + 0.05 * float(differs.std())
            return None
        rows, columns = ndimage.find_objects(labels)[sizes.argmax()]
        return np.array([columns.start, rows.start, columns.stop, rows.stop], float)


out = Path(sys.argv[1])
out.mkdir(exist_ok=True)
truth = film(out / "night.mp4")
model, motion = masklet.load(), Motion()
tracker: masklet.StreamTracker | None = None
visit, overlaps, panels, best = 0, [], [], (0.0, np.zeros((*SIZE, 3), np.uint8))
seen: deque[bool] = deque(maxlen=GONE_FRAMES)
with masklet.open_video(out / "night.mp4") as video:
    gain = 160 / np.percentile(video[0], 99.5)  # a dark image is brightened, for the model and for people
    with (
        masklet.open_writer(out / "visits.csv", like=video, overwrite=True) as table,
        masklet.open_writer(out / "visits.json", like=video, overwrite=True) as masklets,
    ):
        for index, dark in enumerate(video):
            frame = (dark * gain).clip(0, 255).astype(np.uint8)
            prompts = None
            if tracker is None:
                box = motion.box(frame)
                if box is None or box[0] < 2 or box[2] > SIZE[1] - 2:  # wait until it has come in as a whole
                    continue
                visit, tracker = visit + 1, masklet.StreamTracker(model)
                prompts, first, best = {visit: masklet.Prompts.from_box(*box)}, index, (0.0, frame)
                seen.clear()
            masks = replace(tracker.step(frame, prompts), frame_index=index)
            seen.append(bool(masks.masks.any()) and masks.presence[0] > 0.5)
            table.write(dark, masks)
            masklets.write(dark, masks)
            if seen[-1]:
                last = index
                true = truth.get(index, np.zeros(SIZE, bool))
                overlaps.append((masks.masks[0] & true).sum() / (masks.masks[0] | true).sum())
                best = max(best, (float(masks.iou[0]), draw_overlay(frame, masks)), key=lambda one: one[0])
            if not any(seen):
                print(f"visit {visit}: from {first / FPS:.1f} s to {last / FPS:.1f} s")
                panels.append(best[1])
                tracker = None
rows = [np.concatenate(pair, axis=1) for pair in ((dark, panels[0]), panels[1:3])]
write_image(out / "visits.png", np.concatenate(rows))
print(f"{visit} visits, {len(overlaps)} of {FRAMES} frames tracked, median IoU {np.median(overlaps):.2f}")
