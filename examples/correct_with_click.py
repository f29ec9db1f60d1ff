"""Track, correct a frame with another click, track again: python correct_with_click.py dog.mp4 210 350 40 100 90

The arguments are the video, a click on the object on frame 0, and a frame with a click that is not on the object.
"""

import sys

import masklet

path, *numbers = sys.argv[1:]
x, y, frame_index, wrong_x, wrong_y = map(int, numbers)
with masklet.open_video(path) as video:
    session = masklet.VideoSession(masklet.load(), video)
    session.prompt(0, object_id=1, prompts=masklet.Prompts.click(x, y))
    before = {out.frame_index: out[1].sum() for out in session.propagate()}

    session.prompt(frame_index, object_id=1, prompts=masklet.Prompts.click(wrong_x, wrong_y, positive=False))
    after = {out.frame_index: out[1].sum() for out in session.propagate(start=frame_index)}
for i in sorted(after):
    print(f"frame {i}: {before[i]} pixels before, {after[i]} after the correction")
