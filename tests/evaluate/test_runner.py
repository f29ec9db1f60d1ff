"""`evaluate` gives the same numbers however the work is distributed, stopped and resumed."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.evaluate.conftest import SEQUENCES, moving, write_davis, write_maps

import masklet
from masklet.backends.flip_augmented import FlipAugmented
from masklet.errors import FormatError
from masklet.evaluate import (
    Evaluation,
    Export,
    ImageClicks,
    ModelSpec,
    Predictions,
    SemiSupervised,
    evaluate,
    protocol_named,
    read_results,
)
from masklet.evaluate.results import VOLATILE
from masklet.evaluate.runner import describe_model, fingerprint
from masklet.io.datasets import ImageDataset, VideoDataset, open_dataset
from masklet.model.sam2 import Sam2

SPEC = ModelSpec(image_size=96, device="cpu")


def reproducible(document: dict[str, Any]) -> dict[str, Any]:
    """Remove from a document what differs from run to run."""
    return {key: value for key, value in document.items() if key not in VOLATILE}


def run(*arguments: Any, **options: Any) -> Evaluation:
    result = evaluate(*arguments, **options)
    assert result is not None
    return result


def test_keys_of_the_document(davis: VideoDataset, small: Sam2, tmp_path: Path) -> None:
    out = tmp_path / "out"
    document = run(davis, small, SemiSupervised(), out=out).document
    assert document == read_results(out / "results.json")
    assert (document["schema"], document["version"]) == ("masklet/evaluation", 1)
    assert (document["dataset"], document["protocol"], document["model"]) == ("davis2017", "mask", "nano")
    assert 0 <= document["J"] <= 100
    assert document["JF"] == pytest.approx((document["J"] + document["F"]) / 2)
    assert document["frames_per_second"] > 0
    assert list(document["per_sequence"]) == ["one", "three", "two"]
    for numbers in document["per_sequence"].values():
        assert numbers.keys() >= {"J", "F", "JF", "objects"}
    assert document["counted_notices"] == {"object not scored": 1}  # DAVIS scores what the first frame gives
    setup = document["setup"]
    assert setup["protocol"]["prompt"] == "mask"
    assert len(setup["model"]["sha256"]) == 64
    assert setup["versions"]["masklet"] == masklet.__version__
    assert sorted(path.name for path in out.iterdir()) == ["items", "objects.csv", "report.html", "results.json"]
    lines = (out / "objects.csv").read_text().splitlines()
    assert lines[0].startswith("sequence,object,category,first_frame,frames,J,F,JF")
    assert [line.split(",")[:2] for line in lines[1:]] == [["one", "1"], ["three", "1"], ["two", "1"]]


def test_a_stopped_run_resumes(davis: VideoDataset, small: Sam2, tmp_path: Path) -> None:
    whole = run(davis, small, SemiSupervised(prompt="box"), out=tmp_path / "whole")
    seen: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 8:  # in the middle of the second of three
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(davis, small, SemiSupervised(prompt="box"), out=tmp_path / "cut", progress=stop)
    assert seen[-1] == (8, 19)
    assert not (tmp_path / "cut" / "results.json").exists()
    left: list[tuple[int, int]] = []
    again = run(
        davis,
        small,
        SemiSupervised(prompt="box"),
        out=tmp_path / "cut",
        progress=lambda done, total: left.append((done, total)),
    )
    assert left[-1] == (13, 13)  # the first sequence is not processed again
    assert reproducible(again.document) == reproducible(whole.document)
    assert again.rows == whole.rows


def test_a_killed_process_resumes(small: Sam2, tmp_path: Path) -> None:
    root = write_davis(tmp_path / "davis", {f"s{i}": moving(8) for i in range(6)})
    out = tmp_path / "out"
    script = (
        "from masklet.evaluate import *; from masklet.io.datasets import open_dataset; import sys\n"
        "evaluate(open_dataset('davis2017', sys.argv[1]), ModelSpec(image_size=96, device='cpu'), SemiSupervised(),"
        " out=sys.argv[2])"
    )
    command = [sys.executable, "-c", script, str(root), str(out)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 60
    while not list(out.glob("items/*/*.json")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(list(out.glob("items/*/*.json")))
    assert 0 < done < 6
    assert not (out / "results.json").exists()
    dataset = open_dataset("davis2017", root)
    resumed = run(dataset, SPEC, SemiSupervised(), out=out)
    assert reproducible(resumed.document) == reproducible(run(dataset, small, SemiSupervised()).document)


def test_another_setup_does_not_mix(davis: VideoDataset, small: Sam2, tmp_path: Path) -> None:
    box = run(davis, small, SemiSupervised(prompt="box"), out=tmp_path)
    mask = run(davis, small, SemiSupervised(), out=tmp_path)
    assert len(list((tmp_path / "items").iterdir())) == 2
    assert box.document["JF"] != mask.document["JF"]
    assert reproducible(run(davis, small, SemiSupervised(), out=tmp_path).document) == reproducible(mask.document)


def test_data_in_another_folder_is_processed_again(davis: VideoDataset, small: Sam2, tmp_path: Path) -> None:
    run(davis, small, SemiSupervised(), out=tmp_path / "out")
    other = open_dataset("davis2017", write_davis(tmp_path / "other", dict.fromkeys(SEQUENCES, moving(5, step=3))))
    frames: list[int] = []
    result = run(
        other,
        small,
        SemiSupervised(),
        out=tmp_path / "out",
        progress=lambda done, total: frames.append(total),
    )
    assert frames[-1] == 15
    assert reproducible(result.document) == reproducible(run(other, small, SemiSupervised()).document)


@pytest.mark.parametrize("name", ["1-click", pytest.param("image-clicks", marks=pytest.mark.slow)])
def test_workers_do_not_change_the_scores(davis: VideoDataset, stills: ImageDataset, tmp_path: Path, name: str) -> None:
    dataset = stills if name == "image-clicks" else davis
    one, two = (run(dataset, SPEC, protocol_named(name), out=tmp_path / str(count), workers=count) for count in (1, 2))
    assert one.rows == two.rows
    assert reproducible(one.document) == reproducible(two.document)


def test_an_error_in_a_worker_is_raised(davis: VideoDataset, tmp_path: Path) -> None:
    for name, frames in SEQUENCES.items():
        write_maps(tmp_path / "masks" / name, frames)
    Image.fromarray(np.zeros((24, 32), np.uint8)).save(tmp_path / "masks" / "three" / "00002.png")
    with pytest.raises(FormatError, match="64x48"):
        evaluate(davis, Predictions(tmp_path / "masks"), workers=2)


def test_ranks_divide_the_work(davis: VideoDataset, small: Sam2, tmp_path: Path) -> None:
    frames: list[int] = []
    result = evaluate(
        davis,
        small,
        SemiSupervised(),
        out=tmp_path,
        shard=(1, 2),
        progress=lambda done, total: frames.append(total),
    )
    assert result is None
    assert frames[-1] == 7  # the second of three sequences
    first = run(davis, small, SemiSupervised(), out=tmp_path, shard=(0, 2))
    assert reproducible(first.document) == reproducible(run(davis, small, SemiSupervised()).document)


def test_images(stills: ImageDataset, small: Sam2, tmp_path: Path) -> None:
    document = run(stills, small, ImageClicks(clicks=20), out=tmp_path).document
    assert list(document["mIoU"]) == [str(k) for k in range(1, 21)]
    assert document["main"] == "mIoU@20"
    assert document["objects"] == 3
    assert 1 <= document["NoC@85"] <= document["NoC@90"] <= 20
    assert (document["J"], document["JF"]) == (None, None)
    assert document["per_sequence"]["00000"]["objects"] == 2
    header = (tmp_path / "objects.csv").read_text().splitlines()[0]
    assert header.startswith("sequence,object,category,area,iou_1,iou_2")


def test_interactive(davis: VideoDataset, small: Sam2) -> None:
    document = run(davis.only(["two"]), small, protocol_named("online")).document
    assert [point["interactions"] for point in document["curve"]] == list(range(1, len(document["curve"]) + 1))
    assert document["curve"][-1]["JF"] == pytest.approx(document["JF"])
    assert set(document["area"]) == {"interactions", "seconds"}


def test_saved_predictions_score_the_same(davis: VideoDataset, small: Sam2, tmp_path: Path) -> None:
    made = run(davis, small, SemiSupervised(), export=Export(folder=tmp_path / "masks", format="davis"))
    read = run(davis, Predictions(tmp_path / "masks"))
    assert read.document["model"] is None
    assert read.document["protocol"] == "predictions"
    assert {key: read.document[key] for key in ("J", "F", "JF")} == {
        key: made.document[key] for key in ("J", "F", "JF")
    }


@pytest.mark.parametrize(
    ("subject", "protocol", "value"),
    [
        ("model", None, ""),
        ("masks", SemiSupervised(), ""),
        ("model", ImageClicks(), "image-clicks"),
    ],
)
def test_data_protocol_and_subject_must_fit(
    davis: VideoDataset, small: Sam2, tmp_path: Path, subject: str, protocol: Any, value: str
) -> None:
    with pytest.raises(FormatError) as caught:
        evaluate(davis, small if subject == "model" else Predictions(tmp_path), protocol)
    assert value in str(caught.value)


def test_hidden_truth_needs_predictions_saved(tmp_path: Path, small: Sam2) -> None:
    root = write_davis(tmp_path / "davis", {"one": moving(4)})
    (root / "ImageSets" / "2017" / "test-dev.txt").write_text("one\n")
    for hidden in ("00001", "00002", "00003"):
        (root / "Annotations" / "480p" / "one" / f"{hidden}.png").unlink()
    dataset = open_dataset("davis2017", root, split="test-dev")
    with pytest.raises(FormatError, match="test-dev"):
        evaluate(dataset, small, SemiSupervised())
    result = run(dataset, small, SemiSupervised(), export=Export(folder=tmp_path / "masks"))
    assert len(list((tmp_path / "masks" / "one").iterdir())) == 4
    assert (result.document["JF"], result.document["objects"]) == (None, 0)
    with pytest.raises(FormatError, match="offline"):
        evaluate(dataset, small, protocol_named("offline"), export=Export(folder=tmp_path / "masks"))


def test_workers_need_a_model_spec(davis: VideoDataset, small: Sam2) -> None:
    with pytest.raises(ValueError, match="ModelSpec"):
        evaluate(davis, small, SemiSupervised(), workers=2)


def test_results_are_strict_json(davis: VideoDataset, small: Sam2, tmp_path: Path) -> None:
    run(davis.only(["one"]), small, SemiSupervised(), out=tmp_path)
    text = (tmp_path / "results.json").read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert os.fspath(tmp_path) not in text  # results can be published


def test_a_description_has_all_that_scores_depend_on(small: Sam2) -> None:
    entry = json.loads(json.dumps(describe_model(small)))
    assert (entry["name"], entry["input_size"], entry["device"], entry["dtype"]) == ("nano", 96, "cpu", "float32")
    assert entry["config"]["memory_frames"] == 7
    other = copy.copy(small)
    other.config = replace(small.config, memory_frames=6)
    assert describe_model(other) != entry


def test_weights_have_a_fingerprint(small: Sam2) -> None:
    again = ModelSpec(device="cpu").load()
    assert isinstance(again, Sam2)
    assert fingerprint(again) == fingerprint(small)  # the input size is not a weight
    with torch.no_grad():
        again.no_mem_embed[..., 0] += 1e-6
    assert fingerprint(again) != fingerprint(small)


def test_flip_augmentation_changes_the_description(small: Sam2) -> None:
    entry, plain = describe_model(FlipAugmented(small)), describe_model(small)
    assert entry["sha256"] == plain["sha256"]
    assert entry["name"] != plain["name"]


def test_half_precision_has_a_fingerprint() -> None:
    half = ModelSpec(device="cpu", dtype="bfloat16").load()
    assert describe_model(half)["dtype"] == "bfloat16"
    assert len(fingerprint(half)) == 64
