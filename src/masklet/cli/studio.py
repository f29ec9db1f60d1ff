"""`masklet studio`: serve the annotation page, on this machine or for others."""

from __future__ import annotations

import os
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from masklet.cli.app import SEGMENT_PANEL, command
from masklet.cli.options import ListenOptions, ModelOptions, Without
from masklet.cli.report import note

EXAMPLES = """
masklet studio dog.mp4

masklet studio clips/ --project ~/rotoscope

masklet studio --host 0.0.0.0 --port 8080 --no-browser
"""


def default_folder() -> Path:
    """The default of --project: masklet/studio in the user's data folder."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "masklet" / "studio"


@contextmanager
def opening(url: str | None) -> Iterator[None]:
    """Open an address in a browser one second after the block is entered, unless it is left before."""
    timer = threading.Timer(1.0, webbrowser.open, [url]) if url else None
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()


@command(examples=EXAMPLES, panel=SEGMENT_PANEL)
def studio(
    media: Annotated[
        list[Path], Argument(metavar="[MEDIA]...", help="Videos, images, or folders of them, to open.")
    ] = [],  # noqa: B006  typer copies it
    *,
    project: Annotated[
        Path | None,
        Option(
            "--project",
            metavar="DIR",
            help="Folder of projects, uploads and results.",
            show_default="masklet/studio in the user's data folder",
        ),
    ] = None,
    listen: ListenOptions,
    token: Annotated[
        str | None,
        Option(
            help="Token that every request must carry.", envvar="MASKLET_STUDIO_TOKEN", show_default="none on localhost"
        ),
    ] = None,
    browser: Annotated[bool, Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
    model: Annotated[ModelOptions, Without("backend", "speed", "tta")],
) -> None:
    """Annotate objects in the browser: prompt, track, correct, export.

    All work is stored in the folder of --project; a restarted studio continues where it was stopped. Media files are
    read where they are and never changed.

    Ctrl-C stops the studio.
    """
    from masklet.studio._deps import require_studio

    require_studio()
    from masklet.studio.app import create_app
    from masklet.studio.serve import Listener, open_media, serve
    from masklet.studio.settings import Settings

    listener = Listener.bind(listen.host, listen.port, token or None)
    settings = Settings(
        folder=(project or default_folder()).expanduser(),
        offered=tuple(media),
        token=listener.token,
        hosts=(*listen.allow_host, listen.host),
    )
    with closing(listener.socket):
        application = create_app(model.load(), settings)
        with closing(application.state.services):
            url = listener.url(open_media(application, media))
            note(f"studio at {url}")
            with opening(url if browser else None):
                serve(application, listener)
