"""What a studio may use and how much of it: folders, limits, times."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How one studio runs.

    Attributes:
        folder: where the studio keeps its database, uploads and exports; made where it is missing.
        offered: files and folders of this machine that may be opened by path; everything else is out of reach.
        token: what every caller must show, or None where everybody who reaches the address may work.
        hosts: host names besides localhost, IP addresses and this machine's name under which the studio may be called.
        upload_bytes: the largest upload, for a folder of pictures all of them together.
        folder_files: pictures of a folder that is uploaded.
        body_bytes: the largest body of any other request.
        requests_per_second, request_burst: allowed from one address, steadily and at once.
        idle_seconds: after so long without a call a session gives back its memory; nothing is lost.
        live_sessions: held in memory at most, on each device.
        waiting_calls: of one project in line at a device before callers are told to wait.
        objects: in one project.
        masks_frames: frames of one answer with masks.
        undo_steps: that can be taken back.
        database_wait: seconds to wait for a locked database.
    """

    folder: Path
    offered: tuple[Path, ...] = ()
    token: str | None = None
    hosts: tuple[str, ...] = ()
    upload_bytes: int = 16 * 2**30
    folder_files: int = 20_000
    body_bytes: int = 16 * 2**20
    requests_per_second: float = 300
    request_burst: int = 1000
    idle_seconds: float = 900
    live_sessions: int = 64
    waiting_calls: int = 64
    objects: int = 255
    masks_frames: int = 256
    undo_steps: int = 200
    database_wait: float = 15

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.folder / "studio.sqlite"

    @property
    def media(self) -> Path:
        """The folder of uploads."""
        return self.folder / "media"

    @property
    def exports(self) -> Path:
        """The folder of results to be fetched; emptied when the studio starts."""
        return self.folder / "exports"
