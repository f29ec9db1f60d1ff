"""A verified set as values: each video with the masklets that a second person accepted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from masklet.engine.records import MaskletVersion, Media
from masklet.engine.store import Store
from masklet.io.result_builder import Result


@dataclass(frozen=True, kw_only=True)
class VerifiedVideo:
    """One video of a set.

    Attributes:
        media: the video.
        versions: its accepted masklets, one for each object.
    """

    media: Media
    versions: tuple[MaskletVersion, ...]

    def result(self, *, automatic: bool | None = None) -> Result:
        """The masklets as a result named after the media; ``automatic`` takes those nobody prompted, or the others."""
        chosen = [
            version.masklet
            for version in self.versions
            if automatic is None or (version.masklet.source == "automatic") == automatic
        ]
        return Result(
            masklets={one.object_id: one for one in sorted(chosen, key=lambda one: one.object_id)},
            size=self.media.size,
            num_frames=self.media.num_frames,
            fps=self.media.fps,
            video=f"{self.media.name}.mp4",
        )


def verified(store: Store) -> Iterator[VerifiedVideo]:
    """Every video of a project that has an accepted masklet, in the order they were added."""
    for media in store.all_media():
        versions = tuple(store.accepted(media.content))
        if versions:
            yield VerifiedVideo(media=media, versions=versions)
