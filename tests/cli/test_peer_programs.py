"""What a program of `masklet bench peers` says of itself."""

from __future__ import annotations

import sys

import pytest

from masklet.cli.peer_programs import WARM, Watch, first_steps

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def test_warm_up_does_not_count() -> None:
    watch = Watch()
    encode = watch.timed("encoder", lambda x, *, y=1: x + y)
    for index in range(WARM + 2):
        assert encode(index, y=2) == index + 2
        watch.step()
    watch.steps = watch.cpu = [100.0] * WARM + [2.0, 4.0]
    watch.peaks = [50.0] * (WARM + 1) + [52.0]
    told = watch.tracked(WARM + 2)
    assert (told["frame_s"], told["frame_cpu_s"], told["peak_mb"], told["whole_mb"]) == (3.0, 3.0, 52.0, 52.0)
    assert told["mb_a_frame"] == pytest.approx(2.0)
    assert watch.tracked(500)["whole_mb"] == pytest.approx(52.0 + 2.0 * (500 - WARM - 2))


def test_what_came_before_is_forgotten() -> None:
    watch = Watch()
    decode = watch.timed("decoder", lambda: None)
    watch.timed("encoder", lambda: None)()
    decode()
    watch.step()
    watch.forget()
    assert (watch.steps, watch.cpu, watch.peaks, watch.parts) == ([], [], [], {"encoder": [], "decoder": []})
    decode()
    watch.step()
    told = watch.found(7)
    assert (told["masks"], told["encoder_cpu_s"]) == (7, 0)
    assert told["rest_cpu_s"] == told["picture_cpu_s"] - told["decoder_cpu_s"]
    assert told["peak_mb"] > 0


def test_only_so_many_steps_are_run() -> None:
    watch, steps = Watch(), iter(range(10))
    first_steps(watch, steps, 3)
    assert (len(watch.steps), next(steps)) == (3, 3)
