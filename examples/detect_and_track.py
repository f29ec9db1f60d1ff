"""Start objects with a detector and track them: python detect_and_track.py OUT.png [VIDEO [FRAMES]]

Without a video it draws a road on which a yellow car passes, and then a blue one. The detector subtracts
the median of the video. Replace it by any function of frame index and image that returns boxes or masks, with scores
and labels if it has them.
"""

import sys
from itertools import islice
from pathlib import Path

import numpy as np
from scipy import ndimage

import masklet
from masklet.io import draw_overlay
from masklet.io.images import write_image
from masklet.predict.detector import DetectingTracker, DetectionRules, Detections, Detector

CARS = [(94, 240, -8, (230, 190, 40)), (62, -450, 9, (40, 90, 200))]
"""Middle row, first column, pixels a frame and color of each car."""


def road(count: int = 72) -> np.ndarray:
    """Frames of 160 x 240 pixels."""
    generator = np.random.default_rng(0)
    ground = ndimage.gaussian_filter(generator.normal(110, 40, (160, 240, 3)), (1.5, 3, 0)).clip(0, 255)
    frames = np.repeat(ground[None], count, axis=0)
    for index, frame in enumerate(frames):
        for row, start, speed, color in CARS:
            x = np.arange(240) - (start + speed * index)
            frame[row - 12 : row + 12, (x >= 0) & (x < 56)] = color
            frame[row - 8 : row + 8, (x >= 14) & (x < 42)] = (30, 30, 40)
    return (frames + generator.normal(0, 4, frames.shape)).clip(0, 255).astype(np.uint8)


def moving_things(background: np.ndarray) -> Detector:
    """A detector: what differs from the background, as boxes."""

    def detect(frame_index: int, picture: np.ndarray) -> Detections:
        differs = np.abs(picture.astype(int) - background).max(axis=2) > 40
        solid = ndimage.binary_opening(ndimage.binary_closing(differs, iterations=3), iterations=3)
        regions = ndimage.find_objects(ndimage.label(solid)[0])
        return Detections(np.array([(x.start, y.start, x.stop, y.stop) for y, x in regions], np.float32).reshape(-1, 4))

    return detect


out, *rest = sys.argv[1:]
frames = np.stack(list(islice(masklet.open_video(rest[0]), int(rest[1]) if rest[1:] else 60))) if rest else road()
detector = moving_things(np.median(frames[::3], axis=0))
rules = DetectionRules(every=4, max_missed=2)
tracker = DetectingTracker(masklet.StreamTracker(masklet.load(image_size=None if rest else 256)), detector, rules)
shown = []
for index, frame in enumerate(frames):
    masks = tracker.step(frame)
    if index % (len(frames) // 6) == len(frames) // 12:
        seen = [i for i in masks.object_ids if masks[i].any()]
        print(f"frame {index}: objects {', '.join(map(str, seen)) or 'none'}")
        shown.append(draw_overlay(frame, masks))
write_image(Path(out), np.concatenate([np.concatenate(shown[:3], axis=1), np.concatenate(shown[3:6], axis=1)]))
