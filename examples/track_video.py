"""Track an object through a video from one click on its first frame: python track_video.py dog.mp4 210 350 out.mp4"""

import sys

import masklet

path, x, y, target = sys.argv[1:]
with masklet.open_video(path) as video, masklet.open_writer(target, like=video) as sink:
    session = masklet.VideoSession(masklet.load(), video)
    session.prompt(0, object_id=1, prompts=masklet.Prompts.click(float(x), float(y)))
    for out in session.propagate():
        sink.write(video[out.frame_index], out)
print(f"{target}: {sink.num_frames} frames")
