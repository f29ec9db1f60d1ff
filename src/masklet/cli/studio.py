"""`masklet studio`: the browser page on this machine, or an inference server for others."""

from __future__ import annotations

import os
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from masklet.cli import options
from masklet.cli.app import SEGMENT_PANEL, app
from masklet.cli.errors import EXIT_CODE_HELP, exit_codes
from masklet.cli.report import note

EXAMPLES = f"""Examples:

masklet studio dog.mp4

masklet studio clips/ --project ~/rotoscope

masklet studio --host 0.0.0.0 --port 8080 --no-browser

{EXIT_CODE_HELP}"""


def default_folder() -> Path:
    """Where projects are kept unless --project says otherwise."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "masklet" / "studio"


@contextmanager
def opening(link: str | None) -> Iterator[None]:
    """Open an address in a browser once the studio, which is started inside, should answer."""
    timer = threading.Timer(1.0, webbrowser.open, [link]) if link else None
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()


@app.command(epilog=EXAMPLES, rich_help_panel=SEGMENT_PANEL)
def studio(
    media: Annotated[
        list[Path], typer.Argument(metavar="[MEDIA]...", help="Videos, pictures, or folders of them, to be opened.")
    ] = [],  # noqa: B006  typer copies it
    *,
    project: Annotated[
        Path | None,
        typer.Option("--project", metavar="DIR", help="Folder of projects, uploads and results.", show_default=False),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; others than this machine's own need a token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any free one.")] = 8765,
    token: Annotated[
        str | None, typer.Option(help="What every caller must show.", envvar="MASKLET_STUDIO_TOKEN", show_default=False)
    ] = None,
    allow_host: Annotated[
        list[str], typer.Option("--allow-host", metavar="NAME", help="A name under which the studio may be called.")
    ] = [],  # noqa: B006
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
    model: options.ModelName = "nano",
    weights: options.Weights = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    size: options.InputSize = None,
) -> None:
    """Mask objects in the browser: point, watch it track, fix it, take it away.

    Everything is kept in the folder of --project, so that the studio can be stopped at any time and goes on where it
    was. Media is opened where it lies and never changed.

    Ctrl-C ends the studio.
    """
    with exit_codes():
        from masklet.studio._deps import require_studio  # noqa: PLC0415  the extra may not be installed

        require_studio()
        from masklet.predict.load import load  # noqa: PLC0415  torch is slow to import
        from masklet.studio.app import create_app  # noqa: PLC0415
        from masklet.studio.serve import Listener, open_media, serve  # noqa: PLC0415
        from masklet.studio.settings import Settings  # noqa: PLC0415

        address = Listener.bind(host, port, token or None)
        settings = Settings(
            folder=(project or default_folder()).expanduser(),
            offered=tuple(media),
            token=address.token,
            hosts=(*allow_host, host),
        )
        with closing(address.socket):
            loaded = load(model, weights=weights, device=device, dtype=dtype, image_size=size)
            application = create_app(loaded, settings)
            with closing(application.state.services):
                link = address.url(open_media(application, media))
                note(f"studio at {link}")
                with opening(link if browser else None):
                    serve(application, address)
