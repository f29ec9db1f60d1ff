"""Track an object on a live camera: python live_camera.py SOURCE X Y [FRAMES]

SOURCE is camera:0, an rtsp:// or http:// address, or - for a video on standard input; X, Y is a point on the object in
the first image. A line is printed when the object appears and when it is lost. Images that arrive while the model
computes are skipped, so that masks are current; memory use does not grow. Ends with the stream, after FRAMES images, or
with Ctrl-C, and writes the finished frames to watched.mp4. A live stream that breaks off raises an error, which this
script treats as the end.
"""

import sys
from contextlib import suppress
from itertools import islice

import masklet
from masklet.errors import MediaError
from masklet.io import LiveVideo, OverlayWriter

source, x, y = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
count = int(sys.argv[4]) if len(sys.argv) > 4 else None
model = masklet.load(image_size=256)  # before the camera is opened: its first image would be old
with (
    LiveVideo(source, newest=True) as camera,
    OverlayWriter("watched.mp4", like=camera) as movie,
    suppress(MediaError, KeyboardInterrupt),
):
    tracker = masklet.StreamTracker(model)
    seen = False
    for frame in islice(camera, count):
        first = tracker.frame_index == 0
        masks = tracker.step(frame, {1: masklet.Prompts.click(x, y)} if first else None)
        movie.write(frame, masks)
        if bool(masks.masks.any()) != seen:
            seen = not seen
            print(f"{camera.timestamps[-1]:.1f} s: {'there' if seen else 'lost'}", flush=True)
print(f"{movie.num_frames} pictures", flush=True)
