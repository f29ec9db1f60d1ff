"""Video files of every common form: order, random access, times, rotation, damage, closing."""

from __future__ import annotations

import threading
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet.errors import FrameRangeError, MediaError
from masklet.io import MediaWarning, VideoFile, open_video
from masklet.io.container import CACHE_BYTES
from masklet.types import FrameSource

VARIABLE = [0, 1, 2, 5, 6, 10, 11, 12, 20, 21, 22, 23, 40, 41, 50, 51, 52, 60, 61, 62]

FORMS: dict[str, dict[str, Any]] = {
    "constant rate with B frames": {},
    "long group of pictures": {"gop": 250},
    "open groups": {"options": {"x264-params": "open-gop=1:keyint=8:min-keyint=8:scenecut=0"}},
    "every frame a key frame": {"gop": 1, "b_frames": 0},
    "variable rate": {"pts": VARIABLE},
    "starts late": {"pts": range(50, 90)},
    "Matroska": {"name": "clip.mkv"},
    "transport stream": {"name": "clip.ts", "form": "mpegts"},
    "AVI, MPEG-4": {"name": "clip.avi", "codec": "mpeg4"},
    "WebM, VP9": {"name": "clip.webm", "codec": "libvpx-vp9", "b_frames": None, "options": {"deadline": "realtime"}},
    "Motion JPEG": {"name": "clip.mov", "codec": "mjpeg", "pix_fmt": "yuvj420p", "b_frames": None},
    "lossless, odd size": {"name": "clip.mkv", "codec": "ffv1", "pix_fmt": "bgr0", "size": (97, 131), "b_frames": None},
    "gray": {"name": "clip.mkv", "codec": "ffv1", "pix_fmt": "gray", "b_frames": None},
    "10 bits": {"codec": "libx264", "pix_fmt": "yuv420p10le"},
    "no times at all": {"name": "clip.h264", "form": "h264"},
    "one frame": {"pts": [0]},
    "two frames": {"pts": [0, 1]},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_reads_in_order_and_at_random(clips: Any, form: str) -> None:
    arguments = FORMS[form]
    pts, size = list(arguments.get("pts", range(40))), arguments.get("size", (96, 128))
    with VideoFile(clips.write(**arguments)) as video:
        frames = list(video)

        assert [clips.ordinal_of(frame) for frame in frames] == list(range(len(pts)))
        assert len(video) == len(pts)
        assert video.size == size
        assert video.fps is not None
        assert len(pts) == 1 or form == "variable rate" or video.fps == pytest.approx(25)
        steps = np.diff(np.array(video.timestamps)) * 25
        np.testing.assert_allclose(steps, np.diff(pts), atol=0.05)
        for index in np.random.default_rng(0).permutation(len(pts)).tolist():
            assert np.array_equal(video[index], frames[index]), index


def test_a_frame_is_contiguous_rgb_of_its_own(clips: Any) -> None:
    with VideoFile(clips.write(codec="libx264rgb", pix_fmt="rgb24", options={"qp": "0"})) as video:
        frame = video[3]
        frame[:] = 0

        assert frame.dtype == np.uint8
        assert frame.flags.c_contiguous
        assert np.array_equal(video[3], clips.numbered(3))
        assert isinstance(video, FrameSource)


def test_times_are_the_containers_own(clips: Any) -> None:
    with VideoFile(clips.write(pts=range(50, 60))) as video:
        assert video.timestamps == tuple(float(Fraction(n, 25)) for n in range(50, 60))
        assert [pts * video.time_base for pts in video.pts] == [Fraction(n, 25) for n in range(50, 60)]


def test_full_range_video_keeps_black_and_white(clips: Any) -> None:
    path = clips.write("clip.mov", codec="mjpeg", pix_fmt="yuvj420p", b_frames=None, pts=[0, 1])
    with VideoFile(path) as video:
        frame = video[1]  # its first bar is white, the others are black

    assert frame[8:40, 4:12].min() > 245
    assert frame[8:40, 40:120].max() < 10


@pytest.mark.parametrize(
    ("rotation", "mirrored", "upright"),
    [
        (0, False, lambda image: image),
        (90, False, lambda image: np.rot90(image, 1)),
        (-90, False, lambda image: np.rot90(image, -1)),
        (180, False, lambda image: np.rot90(image, 2)),
        (0, True, lambda image: image[:, ::-1]),
    ],
)
def test_the_display_matrix_turns_the_image(clips: Any, rotation: int, mirrored: bool, upright: Any) -> None:
    path = clips.write(rotation=rotation, mirrored=mirrored)
    expected = upright(clips.numbered(9)).astype(int)
    with VideoFile(path) as video:
        frame = video[9]

        assert video.size == expected.shape[:2]
        assert frame.shape == expected.shape
        assert np.abs(frame - expected).mean() < 8
        assert np.array_equal(next(iter(video)).shape, frame.shape)


@pytest.fixture(scope="module")
def long_groups(shared_clips: Any) -> tuple[Path, list[np.ndarray]]:
    path = shared_clips.write("groups.mp4", pts=range(120), gop=50, size=(48, 64))
    with VideoFile(path) as video:
        return path, list(video)


@given(order=st.lists(st.integers(-120, 119), max_size=25), cache_bytes=st.sampled_from([0, 50_000, 10**8]))
def test_any_order_of_access_gives_the_sequential_images(
    long_groups: tuple[Path, list[np.ndarray]], order: list[int], cache_bytes: int
) -> None:
    path, frames = long_groups
    with VideoFile(path, cache_bytes=cache_bytes) as video:
        for index in order:
            assert np.array_equal(video[index], frames[index]), index


def test_reading_backward_decodes_each_group_once(
    long_groups: tuple[Path, list[np.ndarray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, frames = long_groups
    with VideoFile(path) as video:
        assert np.array_equal(video[119], frames[119])
        assert video._cursor is not None
        seeks: list[int] = []
        monkeypatch.setattr(video._cursor, "_seek", seeks.append)

        for index in range(118, 99, -1):
            assert np.array_equal(video[index], frames[index])

    assert seeks == []


def test_what_is_kept_can_be_set_on_an_open_video(
    long_groups: tuple[Path, list[np.ndarray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, frames = long_groups
    with open_video(path) as video:
        assert isinstance(video, VideoFile)
        assert video.cache_bytes == CACHE_BYTES
        video[40]
        video.cache_bytes = 0
        video[41]
        assert video._cursor is not None
        seeks: list[int] = []
        restart = video._cursor._seek

        def told(index: int) -> None:
            seeks.append(index)
            restart(index)

        monkeypatch.setattr(video._cursor, "_seek", told)
        for index in (41, 40, 41):
            assert np.array_equal(video[index], frames[index])

    assert seeks == [40]


def test_reading_onward_never_seeks(
    long_groups: tuple[Path, list[np.ndarray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, frames = long_groups
    with VideoFile(path, cache_bytes=0) as video:
        assert np.array_equal(video[0], frames[0])
        assert video._cursor is not None
        seeks: list[int] = []
        monkeypatch.setattr(video._cursor, "_seek", seeks.append)

        for index in range(1, 120):
            assert np.array_equal(video[index], frames[index])

    assert seeks == []


@pytest.mark.parametrize("index", [40, -41, 10**9])
def test_a_frame_outside_is_a_frame_range_error(clips: Any, index: int) -> None:
    with VideoFile(clips.write()) as video, pytest.raises(FrameRangeError, match="40"):
        video[index]


def test_a_cut_file_gives_its_good_prefix_and_one_warning(clips: Any) -> None:
    path = clips.write("cut.mp4", pts=range(200), container_options={"movflags": "faststart"})
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])

    with warnings.catch_warnings(record=True) as caught, VideoFile(path) as video:
        warnings.simplefilter("always")
        count = len(video)
        frames = list(video)
        again = list(video)

        assert 20 < count < 200
        assert len(frames) == len(again) == len(video) == len(video.timestamps) == count
        assert [clips.ordinal_of(frame) for frame in frames[:20]] == list(range(20))
        assert np.array_equal(video[count - 1], frames[-1])
        with pytest.raises(FrameRangeError):
            video[count]

    assert [warning.category for warning in caught] == [MediaWarning]
    assert f"the {count} of 200 frames" in str(caught[0].message)


def test_a_hole_in_the_middle_moves_no_index(clips: Any) -> None:
    path = clips.write("hole.mkv", pts=range(100), codec="ffv1", pix_fmt="bgr0", b_frames=None)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 300] = bytes(300)
    path.write_bytes(content)

    with warnings.catch_warnings(), VideoFile(path) as video:
        warnings.simplefilter("ignore", MediaWarning)
        shown = [clips.ordinal_of(frame) for frame in video]

        assert 50 < len(shown) <= 100
        assert len(video) == len(shown)
        order = np.random.default_rng(0).permutation(len(shown)).tolist()
        moved = [index for index in order if clips.ordinal_of(video[index]) != shown[index]]
        assert len(moved) <= 2  # the images that were hit: what stands in for lost pixels depends on what came before


def test_an_edit_list_hides_what_a_player_hides(clips: Any) -> None:
    path = clips.write("edited.mp4", pts=range(-10, 30), container_options={"avoid_negative_ts": "disabled"})

    with VideoFile(path) as video:
        frames = list(video)

        assert [clips.ordinal_of(frame) for frame in frames] == list(range(10, 40))
        assert len(video) == 30
        assert video.timestamps[0] == 0
        for index in (29, 0, 13, 2):
            assert np.array_equal(video[index], frames[index]), index


def test_packets_that_show_nothing_are_not_counted(clips: Any) -> None:
    options = {"auto-alt-ref": "1", "lag-in-frames": "16"}
    path = clips.write("hidden.webm", codec="libvpx", b_frames=None, options=options, gop=30)

    with VideoFile(path) as video:
        frames = list(video)

        assert len(video) == len(frames) == 40
        assert all(clips.ordinal_of(video[index]) == index for index in (39, 20, 3, 30))


def test_a_change_of_size_on_the_way_is_named(clips: Any) -> None:
    path = clips.folder / "changing.h264"
    small = clips.write("small.h264", form="h264", pts=range(5)).read_bytes()
    large = clips.write("large.h264", form="h264", pts=range(5), size=(128, 160)).read_bytes()
    path.write_bytes(small + large)

    with VideoFile(path) as video, pytest.raises(MediaError, match=r"128x96 to 160x128"):
        list(video)


def test_iterators_are_independent_and_repeatable(clips: Any) -> None:
    with VideoFile(clips.write()) as video:
        pairs = [(clips.ordinal_of(a), clips.ordinal_of(b)) for a, b in zip(video, video, strict=True)]

        assert pairs == [(n, n) for n in range(40)]
        assert [clips.ordinal_of(frame) for frame in video] == list(range(40))


def test_closing_ends_every_thread_and_reading(clips: Any) -> None:
    before = threading.active_count()
    video = VideoFile(clips.write())
    first = iter(video)
    next(first)
    assert threading.active_count() == before + 1

    video.close()
    video.close()

    assert threading.active_count() == before
    assert list(first) == []
    with pytest.raises(MediaError, match="closed"):
        video[0]
    with pytest.raises(MediaError, match="closed"):
        iter(video)


def test_an_exception_in_the_loop_leaves_no_thread(clips: Any) -> None:
    before = threading.active_count()

    def stumble() -> None:
        with VideoFile(clips.write()) as video:
            for _ in video:
                raise KeyError("from the caller")

    with pytest.raises(KeyError, match="from the caller"):
        stumble()

    assert threading.active_count() == before


def test_several_threads_read_one_video(clips: Any) -> None:
    wrong: list[int] = []
    with VideoFile(clips.write()) as video:

        def read(seed: int) -> None:
            order = np.random.default_rng(seed).integers(0, 40, 30).tolist()
            wrong.extend(index for index in order if clips.ordinal_of(video[index]) != index)

        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert wrong == []


@pytest.mark.parametrize(
    ("name", "count", "fps"),
    [
        ("blocks", 292, 30000 / 1001),
        ("dog", 289, 30000 / 1001),
        ("hummingbird", 176, 24),
        ("pingpong", 230, 24),
    ],
)
def test_a_real_clip_reads_as_pyav_reads_it(assets: Path, name: str, count: int, fps: float) -> None:
    path = assets / "data" / "clips" / f"{name}.mp4"
    if not path.exists():
        pytest.skip("the clips are not among the shared assets")
    with av.open(str(path)) as container:
        plain = {}
        for index, frame in enumerate(container.decode(video=0)):
            if index in (0, 90, 91, 92, count - 1):
                plain[index] = frame.to_ndarray(format="rgb24")

    with VideoFile(path) as video:
        assert len(video) == len(video.timestamps) == count
        assert video.size == (720, 1280)
        assert video.fps == pytest.approx(fps)
        for index in (count - 1, 91, 92, 90, 0):
            assert np.array_equal(video[index], plain[index]), index
        assert np.array_equal(next(iter(video)), plain[0])
