"""Take screenshots of the studio: python scripts/studio_screenshots.py FOLDER [--theme dark] [--size 1280x800].

Starts a studio on the clip of `masklet demo` in a temporary folder, operates it in Chromium, and saves a screenshot of
each state.
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
    """Visits the states of the page."""

    def __init__(self, page: Page, folder: Path, suffix: str) -> None:
        self.page, self.folder, self.suffix = page, folder, suffix

    def save(self, state: str) -> None:
        """Save a screenshot."""
        self.page.wait_for_timeout(400)
        shot = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        shot.save(self.folder / f"studio-{state}{self.suffix}.png", optimize=True)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the position of an image pixel on the page."""
        box = self.page.locator("#view").bounding_box()
        assert box is not None
        scale = min((box["width"] - 48) / SIZE[0], (box["height"] - 48) / SIZE[1])
        left = box["x"] + (box["width"] - SIZE[0] * scale) / 2
        return left + x * scale, box["y"] + (box["height"] - SIZE[1] * scale) / 2 + y * scale

    def go_to(self, frame: int) -> None:
        """Show a frame."""
        self.page.get_by_label("Frame", exact=True).fill(str(frame))
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector(f'#view[data-frame="{frame}"]')

    def rename(self, name: str) -> None:
        """Rename the selected object."""
        self.page.wait_for_selector("#objects li.active")
        self.page.locator("#objects li.active .object-name").fill(name)
        self.page.keyboard.press("Enter")

    def run(self, url: str) -> None:
        """Visit all states."""
        self.prompt(url)
        self.track()
        self.style_and_export()
        self.automatic_masks()
        self.page.goto(f"{url}/#")
        self.page.wait_for_selector("#project-list img")
        self.save("start")

    def prompt(self, url: str) -> None:
        """Open the clip and prompt two objects."""
        page = self.page
        page.goto(url)
        page.wait_for_selector('#view[data-frame="0"]')
        self.save("opened")
        for frame, key in ((LAST, "o"), (SHOT, "i")):
            self.go_to(frame)
            page.keyboard.press(key)
        page.mouse.move(*self.at(*CYCLIST))
        page.wait_for_selector('#view[data-preview="yes"]')
        self.save("hover")
        page.mouse.down()
        page.mouse.up()
        page.wait_for_selector("#candidates:not([hidden])")
        page.mouse.move(5, 5)
        self.save("candidates")
        page.keyboard.press("Escape")
        self.rename("Cyclist")
        page.keyboard.press("n")
        page.keyboard.press("b")
        page.mouse.move(*self.at(*VAN[:2]))
        page.mouse.down()
        page.mouse.move(*self.at(*VAN[2:]), steps=5)
        page.mouse.up()
        page.wait_for_function("() => document.querySelectorAll('#objects li').length > 1")
        page.mouse.move(5, 5)
        self.rename("Van")
        page.keyboard.press("a")
        self.save("prompted")

    def track(self) -> None:
        """Track both objects through the shot."""
        page = self.page
        page.get_by_role("button", name="Track", exact=True).click()
        page.mouse.move(5, 5)
        page.wait_for_function("() => document.getElementById('track-bar').value > 25", timeout=120_000)
        self.save("tracking")
        page.wait_for_selector("#track-progress", state="hidden", timeout=300_000)
        self.go_to(119)
        page.keyboard.press("z")
        self.save("tracked")

    def style_and_export(self) -> None:
        """Change the appearance, and open the dialogs."""
        page = self.page
        page.get_by_role("radio", name="Spotlight", exact=True).check()
        page.get_by_role("radio", name="Outline", exact=True).check()
        page.locator("#view").focus()
        self.save("appearance")
        page.keyboard.press("Control+e")
        self.save("export")
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        self.save("help")
        page.keyboard.press("Escape")
        page.locator("#effect-reset").click()

    def automatic_masks(self) -> None:
        """Select from the automatic masks of a frame."""
        page = self.page
        page.keyboard.press("g")
        page.wait_for_selector("#proposals:not([hidden])", timeout=120_000)
        page.locator("#proposal-list input").nth(1).check()
        self.save("automatic-masks")
        page.keyboard.press("Escape")


def serve(clip: Path, folder: Path) -> str:
    """Start a studio in this process and return its URL."""
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
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    options.folder.mkdir(parents=True, exist_ok=True)
    suffix = "" if (options.theme, options.size) == ("dark", "1280x800") else f"-{options.theme}-{options.size}"
    with tempfile.TemporaryDirectory() as state, sync_playwright() as playwright:
        url = serve(sample_clip(), Path(state))
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=options.theme)
        Tour(page, options.folder, suffix).run(url)
        browser.close()


if __name__ == "__main__":
    main()
