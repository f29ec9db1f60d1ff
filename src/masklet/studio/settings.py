"""Folders, limits and times of a studio."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How one studio runs.

    Attributes:
        folder: holds the database, uploads and exports; created if missing.
        offered: files and folders of this machine that clients may open by path; all others are out of reach.
        token: that every request must carry, None for open access.
        hosts: allowed host names besides localhost, IP addresses and the name of this machine.
        upload_bytes: the largest upload; for a folder of images, of all files together.
        folder_files: images of an uploaded folder.
        body_bytes: the largest body of any other request.
        requests_per_second: sustained rate allowed for one address.
        request_burst: requests allowed at once for one address.
        idle_seconds: time without a request after which a project leaves memory; nothing is lost.
        live_sessions: projects in memory at most, per device.
        waiting_calls: requests of one project that wait for a device before further ones are refused.
        objects: in one project.
        masks_frames: frames in one response with masks.
        undo_steps: edits that can be undone at least.
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
        """The folder of export files; emptied when the studio starts."""
        return self.folder / "exports"
