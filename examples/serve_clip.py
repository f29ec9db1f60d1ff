"""Serve a clip as a network camera does: python serve_clip.py bikes.mp4 [START]

JPEG after JPEG over HTTP, at the clip's own pace, from frame START to the end, once for everybody who connects. The
address is printed; try it with `masklet track`, live_camera.py or a browser. Ends with Ctrl-C.
"""

import io
import sys
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image

import masklet

clip, start = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0


class Camera(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        with masklet.open_video(clip) as video, suppress(ConnectionError):
            began = time.monotonic()
            for index in range(start, len(video)):
                time.sleep(max(0.0, began + (index - start) / (video.fps or 25) - time.monotonic()))
                picture = io.BytesIO()
                Image.fromarray(video[index]).save(picture, "JPEG", quality=90)
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {picture.tell()}\r\n\r\n"
                self.wfile.write(head.encode() + picture.getvalue() + b"\r\n")

    def log_message(self, *_: object) -> None:
        pass


with ThreadingHTTPServer(("127.0.0.1", 0), Camera) as server, suppress(KeyboardInterrupt):
    print(f"http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()
