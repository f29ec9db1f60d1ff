"""Write mattes of a person for a compositor: python roto_mattes.py bikes.mp4 out 100 126

Two clicks on frame 100 are tracked to frame 125. The folder out gets OpenEXR mattes, a ProRes 4444 video with
transparency (and audio, if the clip has some), and proof.png: the outline, the matte, and the person on another
background. Needs: pip install "masklet[exr]"
"""

import sys
from pathlib import Path

import numpy as np

import masklet
from masklet.io import Edge, OutputOptions, Style, draw_style, write_image
from masklet.masks.soft import alpha_of

clip, out, start, end = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
out.mkdir(exist_ok=True)
edge = Edge(soften=1.5, detail=3)
options = OutputOptions(edge=edge)
with masklet.open_video(clip) as video:
    clean = masklet.PostProcess(fill_holes=600, remove_specks=3500)
    session = masklet.VideoSession(masklet.load(), video, postprocess=clean)
    session.prompt(start, object_id=1, prompts=masklet.Prompts.click(435, 120).and_click(420, 110), name="cyclist")
    with (
        masklet.open_writer(f"{out}/cyclist.exr/", like=video, options=options, overwrite=True) as mattes,
        masklet.open_writer(out / "cyclist.alpha.mov", like=video, options=options, overwrite=True) as movie,
    ):
        for masks in session.propagate(start=start, end=end):
            picture = video[masks.frame_index]
            mattes.write(picture, masks)
            movie.write(picture, masks)

alpha = alpha_of(masks[1], edge, picture)[:, :, None]
sky = np.linspace((40, 60, 120), (240, 170, 120), len(picture))[:, None]
placed = (picture * alpha + sky * (1 - alpha)).round().astype(np.uint8)
outlined = draw_style(picture, masks, Style(name="outline", color=(255, 60, 200)))
matte = np.repeat((alpha * 255).round().astype(np.uint8), 3, axis=2)
write_image(out / "proof.png", np.concatenate([panel[:, -400:] for panel in (outlined, matte, placed)], axis=1))
print(f"{out}: frames {start} to {masks.frame_index}, {int(masks[1].sum())} pixels on the last one")
