"""Pictures of the studio for the docs: python scripts/studio_screenshots.py FOLDER [--theme dark] [--size 1280x800].

Starts a studio on the clip of `masklet demo` in a folder of its own, works with it in Chromium as a person would, and
takes a picture of each state.
"""

from __future__ import annotations

import argparse
import io
import shutil
import socket
import tempfile
import threading
import time
from pathlib import Path

import uvicorn
from PIL import Image
from playwright.sync_api import Page, sync_playwright

import masklet
from masklet.cli.demo import sample_clip
from masklet.studio import Settings, create_app

SIZE = (640, 272)
CYCLIST, VAN = (435, 120), (2, 45, 316, 270)
SHOT, LAST = 76, 125  # one shot of the clip, between two cuts


class Tour:
    """One walk through the page."""

    def __init__(self, page: Page, folder: Path, suffix: str) -> None:
        self.page, self.folder, self.suffix = page, folder, suffix

    def take(self, state: str) -> None:
        """Keep what is on the screen."""
        self.page.wait_for_timeout(400)
        shot = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        shot.save(self.folder / f"studio-{state}{self.suffix}.png", optimize=True)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a pixel of the clip is."""
        box = self.page.locator("#view").bounding_box()
        assert box is not None
        scale = min((box["width"] - 48) / SIZE[0], (box["height"] - 48) / SIZE[1])
        left = box["x"] + (box["width"] - SIZE[0] * scale) / 2
        return left + x * scale, box["y"] + (box["height"] - SIZE[1] * scale) / 2 + y * scale

    def go(self, frame: int) -> None:
        """Show a frame."""
        self.page.get_by_label("Frame", exact=True).fill(str(frame))
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector(f'#view[data-frame="{frame}"]')

    def name(self, name: str) -> None:
        """Name the chosen object."""
        self.page.wait_for_selector("#objects li.active")
        self.page.locator("#objects li.active .object-name").fill(name)
        self.page.keyboard.press("Enter")

    def walk(self, url: str) -> None:
        """Visit every state."""
        self.begin(url)
        self.track()
        self.look_and_export()
        self.everything()
        self.page.goto(f"{url}/#")
        self.page.wait_for_selector("#project-list img")
        self.take("start")

    def begin(self, url: str) -> None:
        """Open the clip and point at two things."""
        page = self.page
        page.goto(url)
        page.wait_for_selector('#view[data-frame="0"]')
        self.take("opened")
        for frame, key in ((LAST, "o"), (SHOT, "i")):
            self.go(frame)
            page.keyboard.press(key)
        page.mouse.move(*self.at(*CYCLIST))
        page.wait_for_selector('#view[data-preview="yes"]')
        self.take("hover")
        page.mouse.down()
        page.mouse.up()
        page.wait_for_selector("#candidates:not([hidden])")
        page.mouse.move(5, 5)
        self.take("candidates")
        page.keyboard.press("Escape")
        self.name("Cyclist")
        page.keyboard.press("n")
        page.keyboard.press("b")
        page.mouse.move(*self.at(*VAN[:2]))
        page.mouse.down()
        page.mouse.move(*self.at(*VAN[2:]), steps=5)
        page.mouse.up()
        page.wait_for_function("() => document.querySelectorAll('#objects li').length > 1")
        page.mouse.move(5, 5)
        self.name("Van")
        page.keyboard.press("a")
        self.take("prompted")

    def track(self) -> None:
        """Follow both through the shot."""
        page = self.page
        page.get_by_role("button", name="Track", exact=True).click()
        page.mouse.move(5, 5)
        page.wait_for_function("() => document.getElementById('track-bar').value > 25", timeout=120_000)
        self.take("tracking")
        page.wait_for_selector("#track-progress", state="hidden", timeout=300_000)
        self.go(119)
        page.keyboard.press("z")
        self.take("tracked")

    def look_and_export(self) -> None:
        """Change the look, and open the dialogs."""
        page = self.page
        page.get_by_role("radio", name="Spotlight", exact=True).check()
        page.get_by_role("radio", name="Outline", exact=True).check()
        page.locator("#view").focus()
        self.take("look")
        page.keyboard.press("Control+e")
        self.take("export")
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        self.take("help")
        page.keyboard.press("Escape")
        page.locator("#effect-reset").click()

    def everything(self) -> None:
        """Pick from proposals."""
        page = self.page
        page.keyboard.press("g")
        page.wait_for_selector("#proposals:not([hidden])", timeout=120_000)
        page.locator("#proposal-list input").nth(1).check()
        self.take("everything")
        page.keyboard.press("Escape")


def serve(clip: Path, folder: Path) -> str:
    """Start a studio in this process; ends with it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = create_app(masklet.load(), Settings(folder=folder, offered=(clip,)))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.1)
    return f"http://127.0.0.1:{port}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--size", default="1280x800")
    asked = parser.parse_args()
    width, height = map(int, asked.size.split("x"))
    asked.folder.mkdir(parents=True, exist_ok=True)
    suffix = "" if (asked.theme, asked.size) == ("dark", "1280x800") else f"-{asked.theme}-{asked.size}"
    with tempfile.TemporaryDirectory() as state, sync_playwright() as playwright:
        url = serve(sample_clip(), Path(state))
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=asked.theme)
        Tour(page, asked.folder, suffix).walk(url)
        browser.close()


if __name__ == "__main__":
    main()
