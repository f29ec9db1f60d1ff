"""Track objects through frames from any generator: python stream_frames.py

Memory use does not grow with the stream; objects are added and removed on any frame.
"""

from collections.abc import Iterator

import numpy as np

import masklet


def frames() -> Iterator[np.ndarray]:
    """A camera, a simulator, a message queue: here a bright disc that wanders over noise."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:120, :160]
    for step in range(12):
        frame = generator.integers(40, 90, (120, 160, 3), dtype=np.uint8)
        frame[np.hypot(x - 60 - 3 * step, y - 60) < 20] = (240, 200, 40)
        yield frame


tracker = masklet.StreamTracker(masklet.load(image_size=192))
for frame in frames():
    first = tracker.frame_index == 0
    out = tracker.step(frame, {1: masklet.Prompts.click(60, 60)} if first else None)
    if 1 in out.object_ids:
        print(f"frame {out.frame_index}: {out[1].sum()} pixels, present with {out.presence[0]:.0%}")
    if out.frame_index == 9:
        tracker.forget(1)
