"""A verified set as values: each video with the masklets that a second person accepted, and the split it belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from masklet.engine.records import MaskletVersion, Media, Split
from masklet.engine.store import Store
from masklet.errors import FormatError
from masklet.io.results import Result


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


def split_of(content: str, *, val: float = 0.1, test: float = 0.0) -> Split:
    """The split of a video by the hash of its content, so that it is the same wherever and whenever it is added.

    A video that goes to val with some shares stays there when ``test`` shrinks or ``val`` grows.

    Args:
        content: at least 8 hexadecimal digits that are spread evenly.
        val: share of all videos.
        test: share of all videos.

    Raises:
        FormatError: shares that do not leave 0 to 1 for training, or no hash.
    """
    if min(val, test) < 0 or val + test > 1:
        raise FormatError(f"expected shares from 0 to 1 together, got {val} for val and {test} for test")
    try:
        place = int(content[:8], 16) / 2**32
    except ValueError:
        raise FormatError(f"expected a hash as hexadecimal digits, got {content[:20]!r}") from None
    return "val" if place < val else "test" if place >= 1 - test else "train"
