"""What both programs of `masklet bench peers` say of themselves, and what is said where one cannot run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from masklet.cli.peers import LONG, WARM, Watch, _run
from masklet.errors import DeviceError

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@LINUX
def test_warm_up_does_not_count() -> None:
    watch = Watch()
    encode = watch.timed(lambda x: x + 1)
    for index in range(WARM + 2):
        assert encode(index) == index + 1
        watch.frame()
    watch.frames = watch.cpu = [100.0] * WARM + [2.0, 4.0]
    watch.peaks = [50.0] * (WARM + 1) + [52.0]
    report = watch.report()
    assert (report["frame_s"], report["frame_cpu_s"], report["peak_mb"], report["mb_a_frame"]) == (3.0, 3.0, 52.0, 2.0)
    assert report["long_mb"] == 52.0 + 2.0 * (LONG - WARM - 2)


@pytest.mark.parametrize(
    ("python", "said"),
    [(Path("nowhere", "python"), "cannot be run: No such file"), (Path(sys.executable), "sam2 failed under")],
)
def test_a_program_that_cannot_run(python: Path, said: str, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=said):
        _run(python, ("sam2", str(tmp_path), "sam2.1-tiny", "float32"))
