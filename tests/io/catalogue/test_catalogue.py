"""Every ugly input a person may have, made by a script, beside what a player shows of it."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import tifffile
from av.video.stream import VideoStream
from PIL import Image, ImageOps

from masklet.errors import MaskletError, MediaError
from masklet.io import FolderVideo, MediaWarning, open_video
from masklet.types import RgbImage

Make = Callable[[Any], Path]  # from the `clips` fixture


@pytest.fixture(autouse=True)
def quiet_encoders(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """SVT-AV1 talks on stderr."""
    monkeypatch.setenv("SVT_LOG", "1")


@dataclass(frozen=True)
class Row:
    """What a file holds.

    Attributes:
        make: makes it.
        ordinals: of the pictures that are shown.
        times: of the pictures in frames of 1/25 s from the first; None: one after another.
        size: (height, width) as displayed.
        warns: what the one warning says, or "".
        exact: whether a player's pixels are ours, too (high dynamic range has no one right answer).
    """

    make: Make
    ordinals: Sequence[int] = range(40)
    times: Sequence[float] | None = None
    size: tuple[int, int] = (96, 128)
    warns: str = ""
    exact: bool = True


def clip(**options: Any) -> Make:
    return lambda clips: clips.write(**options)


def _packets(path: Path, to: Path, keep: Callable[[int, Any], bool], shift: int = 0, form: str | None = None) -> Path:
    """The same stream with some packets left out and times moved back, as cutting without re-encoding does."""
    with av.open(str(path)) as source, av.open(str(to), "w", format=form) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for place, packet in enumerate(packet for packet in source.demux(video=0) if packet.dts is not None):
            if keep(place, packet):
                assert packet.pts is not None
                assert packet.dts is not None
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = stream
                target.mux(packet)
    return to


def edit_list(clips: Any) -> Path:
    """Cut at frame 17: decoding starts at the key frame 12, and the edit list hides five pictures."""
    whole = clips.write("whole.mp4", b_frames=0)
    with av.open(str(whole)) as source:
        frame = round(1 / 25 / (source.streams.video[0].time_base or 1))
    return _packets(whole, clips.folder / "cut.mp4", lambda _, packet: packet.pts >= 12 * frame, 17 * frame)


def no_first_key_frame(clips: Any) -> Path:
    whole = clips.write("whole.ts", form="mpegts")
    return _packets(whole, clips.folder / "cut.ts", lambda place, _: place >= 5, form="mpegts")


def wrong_frame_count(clips: Any) -> Path:
    """An AVI whose headers promise 10 frames."""
    path: Path = clips.write("clip.avi", codec="mpeg4", b_frames=None)
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"avih", 24), (b"strh", 40)):
        place = content.index(mark) + offset
        assert int.from_bytes(content[place : place + 4], "little") == 40
        content[place : place + 4] = (10).to_bytes(4, "little")
    path.write_bytes(content)
    return path


def cut_tail(clips: Any) -> Path:
    path: Path = clips.write("clip.mkv", codec="ffv1", pix_fmt="bgr0", b_frames=None)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    return path


def animated(name: str, **options: Any) -> Make:
    def make(clips: Any) -> Path:
        frames = [Image.fromarray(clips.numbered(ordinal)) for ordinal in range(6)]
        frames[0].save(clips.folder / name, save_all=True, append_images=frames[1:], duration=40, **options)
        return Path(clips.folder / name)

    return make


def sequence(names: Sequence[str]) -> Make:
    def make(clips: Any) -> Path:
        folder = Path(clips.folder) / "shot é 1"
        folder.mkdir()
        for ordinal, name in enumerate(names):
            Image.fromarray(clips.numbered(ordinal)).save(folder / name)
        return folder

    return make


def hdr(transfer: str) -> Make:
    words = f"log-level=none:transfer={transfer}:colormatrix=bt2020nc:colorprim=bt2020"
    return clip(codec="libx265", pix_fmt="yuv420p10le", pts=range(6), options={"x265-params": words})


FEW = range(6)
X265 = {"x265-params": "log-level=none"}
OPEN_GROUPS = {"x264-params": "open-gop=1:keyint=8:min-keyint=8:scenecut=0"}
VARIABLE = (0, 1, 2, 5, 6, 10, 11, 12, 20, 21, 22, 23, 40, 41, 50, 51, 52, 60, 61, 62)
PRORES = {"name": "clip.mov", "codec": "prores_ks", "b_frames": None, "pts": FEW}
FFV1 = {"name": "clip.mkv", "codec": "ffv1", "pix_fmt": "bgr0", "b_frames": None, "pts": FEW}

ROWS: dict[str, Row] = {
    "phone turned left": Row(clip(rotation=90), size=(128, 96)),
    "phone turned right": Row(clip(rotation=-90), size=(128, 96)),
    "phone upside down": Row(clip(rotation=180)),
    "variable frame rate": Row(clip(pts=VARIABLE), range(20), VARIABLE),
    "dropped frames": Row(clip(pts=(0, 1, 2, 30, 31)), range(5), (0, 1, 2, 30, 31)),
    "59.94 frames a second": Row(clip(time_base=Fraction(1001, 60_000)), times=[n * 0.4170833 for n in range(40)]),
    "edit list": Row(edit_list, range(17, 40)),
    "header with a wrong count": Row(wrong_frame_count),
    "starts late": Row(clip(pts=range(50, 90)), times=range(50, 90)),
    "B frames, long groups": Row(clip(gop=250, b_frames=3)),
    "open groups": Row(clip(options=OPEN_GROUPS)),
    "no first key frame": Row(no_first_key_frame, range(12, 40)),
    "tail cut off": Row(cut_tail, range(29), warns="29"),
    "HEVC, 10 bits": Row(clip(codec="libx265", pix_fmt="yuv420p10le", options=X265)),
    "HDR, PQ": Row(hdr("smpte2084"), FEW, exact=False),
    "HDR, HLG": Row(hdr("arib-std-b67"), FEW, exact=False),
    "VP9": Row(clip(name="a.webm", codec="libvpx-vp9", b_frames=None, options={"deadline": "realtime"})),
    "VP9 with alpha": Row(
        clip(name="a.webm", codec="libvpx-vp9", b_frames=None, pix_fmt="yuva420p", options={"deadline": "realtime"}),
        warns="has transparency, which is dropped",
    ),
    "AV1": Row(clip(codec="libsvtav1", b_frames=None, pts=range(12), options={"preset": "10"}), range(12)),
    "ProRes 422": Row(clip(**PRORES, pix_fmt="yuv422p10le"), FEW),
    "ProRes 4444 with alpha": Row(clip(**PRORES, pix_fmt="yuva444p10le"), FEW, warns="has transparency"),
    "Motion JPEG": Row(clip(name="a.avi", codec="mjpeg", pix_fmt="yuvj420p", b_frames=None)),
    "full range": Row(clip(pix_fmt="yuvj420p")),
    "interlaced, H.264": Row(clip(options={"x264-params": "interlaced=1"}), warns="is interlaced"),
    "interlaced, MPEG-2": Row(
        clip(name="a.mpg", form="mpeg", codec="mpeg2video", options={"flags": "+ildct+ilme"}), warns="is interlaced"
    ),
    "gray": Row(clip(**FFV1 | {"pix_fmt": "gray"}), FEW),
    "16-bit gray": Row(clip(**FFV1 | {"pix_fmt": "gray16le"}), FEW),
    "one frame": Row(clip(pts=[0]), [0]),
    "two frames": Row(clip(pts=[0, 1]), [0, 1]),
    "odd sides": Row(clip(**FFV1, size=(97, 131)), FEW, size=(97, 131)),
    "ten to one": Row(clip(size=(64, 640), pts=FEW), FEW, size=(64, 640)),
    "one to ten": Row(clip(**FFV1, size=(640, 64)), FEW, size=(640, 64)),
    "8K": Row(
        clip(name="a.mov", codec="mjpeg", pix_fmt="yuvj420p", b_frames=None, size=(4320, 7680), pts=[0]),
        [0],
        size=(4320, 7680),
    ),
    "name with spaces and letters of many kinds": Row(clip(name="mit Leerzeichen 映像 ü.mp4")),
}
SLENDER = [(1, 64), (64, 1), (1, 1), (3, 5)]
ANIMATIONS = {
    "animated GIF": animated("a.gif"),
    "animated WebP": animated("a.webp", lossless=True),
    "animated PNG": animated("a.png"),
}
FOLDERS = {
    "names that are no numbers": ["b one.png", "B two.jpg", "take 3.PNG", "take 10.JPEG", "zweite ä.bmp"],
    "gaps": ["frame_0001.png", "frame_0002.png", "frame_0007.png", "frame_0100.png"],
}


def played(path: Path, turn: int = 0) -> Iterator[tuple[float, RgbImage]]:
    """Time in seconds and upright pixels of every picture, by PyAV alone."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield float(frame.time or 0), np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)


def digest(picture: RgbImage) -> str:
    return hashlib.sha256(np.ascontiguousarray(picture).tobytes()).hexdigest()


@pytest.mark.parametrize("name", ROWS)
def test_a_video_reads_as_a_player_shows_it(clips: Any, name: str) -> None:
    row = ROWS[name]
    path = row.make(clips)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MediaWarning)
        with open_video(path) as video:
            frames = list(video)
            count, times = len(video), np.array(video.timestamps)
            places = sorted({0, len(row.ordinals) // 2, len(row.ordinals) - 1})
            at_random = {place: digest(video[place]) for place in reversed(places)}
            size = video.size

    turns = {"phone turned left": -1, "phone turned right": 1, "phone upside down": 2}.get(name, 0)
    assert [clips.ordinal_of(np.rot90(frame, turns)) for frame in frames] == list(row.ordinals)
    assert (count, size, {frame.shape for frame in frames}) == (len(row.ordinals), row.size, {(*row.size, 3)})
    assert at_random == {place: digest(frames[place]) for place in places}
    expected = np.arange(len(row.ordinals)) if row.times is None else np.array(row.times, float)
    np.testing.assert_allclose((times - times[0]) * 25, expected - expected[0], atol=0.06)
    if row.exact:
        shown = list(played(path))
        assert len(shown) == len(frames)
        assert [digest(shown[place][1]) for place in places] == [at_random[place] for place in places]
        np.testing.assert_allclose(times, [time for time, _ in shown], atol=1e-6)
    assert [str(warning.message) for warning in caught if row.warns not in str(warning.message)] == []
    assert len(caught) == bool(row.warns)


@pytest.mark.parametrize("size", SLENDER, ids=str)
def test_a_video_of_one_row_or_column(tmp_path: Path, size: tuple[int, int]) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (5, *size, 3), dtype=np.uint8)
    with av.open(str(tmp_path / "a.mov"), "w") as container:
        stream = container.add_stream("png", rate=25)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = size
        stream.pix_fmt = "rgb24"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode(None))
    with open_video(tmp_path / "a.mov") as video:
        assert (len(video), video.size) == (5, size)
        np.testing.assert_array_equal(np.stack(list(video)), pictures)
        np.testing.assert_array_equal(video[2], pictures[2])


@pytest.mark.parametrize("name", ANIMATIONS)
def test_an_animation_reads_as_a_viewer_shows_it(clips: Any, name: str) -> None:
    with open_video(ANIMATIONS[name](clips)) as video:
        frames = list(video)

        assert [clips.ordinal_of(frame) for frame in frames] == list(FEW)
        assert [digest(video[place]) for place in (5, 0, 3)] == [digest(frames[place]) for place in (5, 0, 3)]
        np.testing.assert_allclose(video.timestamps, np.arange(6) / 25)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_reads_in_the_order_of_its_names(clips: Any, name: str) -> None:
    with open_video(sequence(FOLDERS[name])(clips)) as video:
        assert isinstance(video, FolderVideo)
        assert [clips.ordinal_of(frame) for frame in video] == list(range(len(FOLDERS[name])))
        assert list(video.frame_names) == FOLDERS[name]


RAMP = np.linspace(0, 255, 24 * 32).reshape(24, 32).astype(np.uint8)
COLOR = np.stack([RAMP, RAMP[::-1], 255 - RAMP], axis=2)


@dataclass(frozen=True)
class Still:
    """A picture, how it is saved, and what it says."""

    image: Image.Image
    name: str = "a.png"
    options: dict[str, Any] = field(default_factory=dict)
    warns: str = ""


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


STILLS = {
    "photo": Still(Image.fromarray(COLOR), "a.jpg", {"quality": 95}),
    "photo on its side": Still(Image.fromarray(COLOR), "a.jpg", {"exif": _exif(6)}),
    "photo mirrored": Still(Image.fromarray(COLOR), "a.jpg", {"exif": _exif(5)}),
    "CMYK": Still(Image.fromarray(COLOR).convert("CMYK"), "a.jpg"),
    "gray": Still(Image.fromarray(RAMP)),
    "gray with alpha": Still(Image.fromarray(np.stack([RAMP, RAMP], axis=2), "LA"), warns="has transparency"),
    "alpha": Still(Image.fromarray(np.dstack([COLOR, RAMP])), warns="has transparency"),
    "opaque alpha": Still(Image.fromarray(np.dstack([COLOR, np.full_like(RAMP, 255)]))),
    "palette": Still(Image.fromarray(COLOR).convert("P")),
    "black and white": Still(Image.fromarray(RAMP > 99)),
    "one row": Still(Image.fromarray(COLOR[:1])),
    "one column": Still(Image.fromarray(COLOR[:, :1])),
    "three pixels": Still(Image.fromarray(COLOR[:1, :3])),
}


@pytest.mark.parametrize("name", STILLS)
def test_a_picture_reads_as_a_viewer_shows_it(tmp_path: Path, name: str) -> None:
    still = STILLS[name]
    path = tmp_path / still.name
    still.image.save(path, **still.options)
    always = warnings.catch_warnings(record=True, action="always", category=MediaWarning)
    with always as caught, open_video(path) as video:
        frame = video[0]
        assert len(video) == 1

    with Image.open(path) as opened:
        assert np.array_equal(frame, np.asarray(ImageOps.exif_transpose(opened).convert("RGB")))
    assert bool(caught) == bool(still.warns)
    assert all(still.warns in str(warning.message) for warning in caught)


DEEP = np.linspace(100, 1100, 5 * 24 * 32).reshape(5, 24, 32)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32, np.float64])
def test_a_deep_stack_spans_black_to_white(tmp_path: Path, dtype: Any) -> None:
    tifffile.imwrite(tmp_path / "deep.tif", DEEP.astype(dtype))
    with open_video(tmp_path / "deep.tif") as video:
        frames = np.stack(list(video))

    assert frames.shape == (5, 24, 32, 3)
    assert np.abs(frames[..., 0] - (DEEP - 100) / 1000 * 255).max() < 2
    with open_video(tmp_path / "deep.tif", scale=(0, 2000)) as video:
        assert np.abs(video[3][..., 0] - DEEP[3] / 2000 * 255).max() < 1


def _mixed_sizes(clips: Any) -> Path:
    folder = Path(clips.folder) / "mixed"
    folder.mkdir()
    for number in (1, 2):
        Image.new("RGB", (8, 6 + number)).save(folder / f"{number}.png")
    return folder


def _bytes(name: str, content: bytes) -> Make:
    def make(clips: Any) -> Path:
        path = Path(clips.folder) / name
        path.write_bytes(content)
        return path

    return make


def _changing_size(clips: Any) -> Path:
    """A stream that goes on in another size."""
    parts = [clips.write(f"{n}.h264", form="h264", size=size, pts=FEW) for n, size in enumerate([(96, 128), (64, 80)])]
    return _bytes("both.h264", b"".join(part.read_bytes() for part in parts))(clips)


def _dolby_vision(clips: Any) -> Path:
    options = {"codec": "libx265", "pix_fmt": "yuv420p10le", "options": X265, "pts": FEW}
    path: Path = clips.write("dolby.mp4", **options)
    content = path.read_bytes()
    assert content.count(b"hev1") == 1
    path.write_bytes(content.replace(b"hev1", b"dvhe"))
    return path


REFUSED: dict[str, tuple[Make, str]] = {
    "nothing there": (lambda clips: Path(clips.folder) / "nowhere.mp4", "No such file"),
    "zero bytes": (_bytes("a.mp4", b""), "a.mp4"),
    "a text": (_bytes("a.mp4", b"no video\n" * 100), "a.mp4"),
    "sound alone": (lambda clips: clips.sound(), "mp4"),
    "pictures of mixed sizes": (_mixed_sizes, r"8x7 .*1\.png.*8x8"),
    "Dolby Vision alone": (_dolby_vision, "Dolby Vision"),
    "a size that changes": (_changing_size, "128x96 to 80x64"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_says_why_in_one_line(clips: Any, name: str) -> None:
    make, message = REFUSED[name]
    path = make(clips)
    with pytest.raises(MediaError, match=message) as caught, open_video(path) as video:
        list(video)

    assert isinstance(caught.value, MaskletError)
    assert "\n" not in str(caught.value)


def test_a_picture_named_as_a_video_is_a_video_of_one_frame(tmp_path: Path) -> None:
    Image.fromarray(COLOR).save(tmp_path / "a.mp4", format="PNG")
    with open_video(tmp_path / "a.mp4") as video:
        assert np.array_equal(video[0], COLOR)
