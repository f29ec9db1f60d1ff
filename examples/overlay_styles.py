"""Draw one frame in every style of overlay videos: python overlay_styles.py bikes.mp4 styles.png

A cyclist is clicked on frame 100 and tracked to frame 120. Left to right, top to bottom: fill, outline, spotlight,
cutout, blurred background, pixelated, gray background, erased.
"""

import sys

import numpy as np

import masklet
from masklet.io import Edge, Style, draw_style, write_image

clip, target = sys.argv[1:]
STYLES = [
    Style(name="fill"),
    Style(name="outline"),
    Style(name="spotlight", edge=Edge(soften=2)),
    Style(name="cutout", color=(240, 240, 235), edge=Edge(soften=2)),
    Style(name="blur", region="background", edge=Edge(soften=2)),
    Style(name="pixelate"),
    Style(name="desaturate", region="background", edge=Edge(soften=2)),
    Style(name="erase", color=(32, 192, 96)),
]
with masklet.open_video(clip) as video:
    clean = masklet.PostProcess(fill_holes=600, remove_specks=3500)
    session = masklet.VideoSession(masklet.load(), video, postprocess=clean)
    session.prompt(100, object_id=1, prompts=masklet.Prompts.click(435, 120).and_click(420, 110))
    *_, masks = session.propagate(start=100, end=121)
    picture = video[masks.frame_index]
drawn = [draw_style(picture, masks, style)[::2, ::2] for style in STYLES]
write_image(target, np.concatenate([np.concatenate(drawn[i : i + 2], axis=1) for i in range(0, 8, 2)]))
print(f"{target}: {len(STYLES)} styles")
