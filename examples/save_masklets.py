"""Track two objects in both directions and save them as run-length codes: python save_masklets.py dog.mp4 dog.json

The file is read back with `read_rle`; every code works with pycocotools.
"""

import sys

import masklet
from masklet.io import read_rle, write_rle

path, target = sys.argv[1:]
with masklet.open_video(path) as video:
    middle, (height, width) = len(video) // 2, video.size
    session = masklet.VideoSession(masklet.load(), video)
    half = masklet.Prompts.from_box(0, height / 4, width / 2, 3 * height / 4)
    session.prompt(middle, object_id=1, prompts=half, name="left half")
    session.prompt(middle, object_id=2, prompts=masklet.Prompts.click(3 * width / 4, height / 2), name="right point")
    for _ in session.propagate("both"):
        pass
    write_rle(target, session.masklets().values(), fps=video.fps, num_frames=len(video))

for object_id, one in read_rle(target).items():
    visible = [i for i, rle in one.frames.items() if rle.area]
    print(f"object {object_id} ({one.name}): visible in {len(visible)} of {len(one.frames)} frames")
