"""`masklet evaluate` from the words to the numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Run
from tests.evaluate.conftest import SEQUENCES, write_davis, write_maps

SMALL = ("--size", 96, "--device", "cpu")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_davis(tmp_path / "davis", SEQUENCES)


def test_results_in_every_form(run: Run, root: Path, tmp_path: Path) -> None:
    done = run("evaluate", "davis2017", root, "--protocol", "box", *SMALL, "--out", "out", "--json", "numbers.json")
    assert done.code == 0, done.err
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    wanted = {"dataset", "protocol", "model", "J", "F", "JF", "per_sequence", "frames_per_second"}
    assert wanted <= set(numbers)
    assert (numbers["dataset"], numbers["protocol"], numbers["model"]) == ("davis2017", "box", "nano")
    assert numbers["setup"]["model"]["input_size"] == 96
    assert f"{numbers['JF']:.1f}" in done.out
    assert "1 x object not scored" in done.out
    assert (tmp_path / "out" / "report.html").is_file()
    assert sorted(numbers["per_sequence"]) == sorted(SEQUENCES)


def test_predictions_of_another_program(run: Run, root: Path, tmp_path: Path) -> None:
    for name, frames in SEQUENCES.items():
        write_maps(tmp_path / "masks" / name, frames)
    done = run("evaluate", "davis2017", root, "--predictions", "masks", "--sequences", "one, three", "--json", "-")
    numbers = json.loads(done.out)
    assert (numbers["JF"], numbers["model"], list(numbers["per_sequence"])) == (100, None, ["one", "three"])


def test_memory_and_second_look_stand_in_the_results(run: Run, root: Path) -> None:
    done = run(
        "evaluate", "davis2017", root, *SMALL, "--sequences", "one", "--memory", "auto", "--refine", "--json", "-"
    )
    asked = json.loads(done.out)["setup"]["protocol"]
    assert asked["memory"] == "auto"
    assert asked["postprocess"]["refine"]["start"] == "memory"


def test_a_mirrored_model_stands_in_the_results(run: Run, root: Path) -> None:
    done = run("evaluate", "davis2017", root, *SMALL, "--sequences", "one", "--tta", "--json", "-")
    assert json.loads(done.out)["model"] == "nano-mirrored"


def test_save_and_compare(run: Run, root: Path, tmp_path: Path) -> None:
    for name in ("mask", "box"):
        options = ("--save-predictions", name) if name == "mask" else ()
        done = run("evaluate", "davis2017", root, *SMALL, "--protocol", name, "--json", f"{name}.json", "-q", *options)
        assert (done.code, done.out, done.err) == (0, "", "")
    assert len(list((tmp_path / "mask" / "one").iterdir())) == 6
    told = run("evaluate", "--compare", "mask.json", "box.json", "--json", "diff.json")
    assert told.code == 0
    assert "protocol.name: mask in a, box in b" in told.out
    comparison = json.loads((tmp_path / "diff.json").read_text())
    assert (comparison["schema"], comparison["objects"]) == ("masklet/comparison", 3)
    jf = comparison["differences"][0]
    assert jf["low"] <= jf["difference"] <= jf["high"]


def test_list(run: Run) -> None:
    done = run("evaluate", "--list")
    assert done.code == 0
    assert "davis2017" in done.out
    assert "image-clicks" in done.out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("davis2017",), 2, "expected DATASET and ROOT"),
        (("davis2107", "davis"), 2, "did you mean 'davis2017'?"),
        (("mose", "davis"), 2, "in davis, found"),
        (("davis2017", "nowhere"), 3, "found nothing"),
        (("davis2017", "davis", "--protocol", "maks"), 2, "did you mean mask?"),
        (("davis2017", "davis", "--protocol", "image-clicks"), 2, "davis2017 holds videos"),
        (("davis2017", "davis", "--sequences", "ones"), 2, "did you mean 'one'?"),
        (("davis2017", "davis", "--json", "no/where.json"), 5, "there is no folder no"),
        (("davis2017", "davis", "--predictions", "masks"), 2, "expected a folder of predictions"),
        (("davis2017", "davis", "--predictions", "masks", "--clicks", 3), 2, "are scored unchanged"),
        (("davis2017", "davis", "--predictions", "masks", "--refine"), 2, "are scored unchanged"),
        (("davis2017", "davis", "--memory", "atuo"), 2, "expected one of plain, gated"),
        (("davis2017", "davis", "--save-predictions", "x", "--format", "coco"), 5, "got 'coco'"),
        (("--compare", "a.json", "b.json"), 3, "expected results of masklet evaluate"),
    ],
)
@pytest.mark.usefixtures("untyped_caller")
def test_what_cannot_be_done(run: Run, root: Path, words: tuple[object, ...], code: int, told: str) -> None:
    done = run("evaluate", *words)
    assert done.code == code
    assert told in " ".join(done.err.replace("│", " ").split())
    assert "Traceback" not in done.err


def test_results_of_something_else_are_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    done = run("evaluate", "--compare", "a.json", "a.json")
    assert (done.code, "expected results of masklet evaluate" in done.err) == (2, True)


def test_ranks_of_torchrun(run: Run, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    words = ("evaluate", "davis2017", root, "--protocol", "mask", *SMALL, "-q")
    assert "expected an output folder" in run(*words).err
    assert run(*words, "--out", "out") == (0, "", "")
    monkeypatch.setenv("RANK", "0")
    assert run(*words, "--out", "out", "--json", "numbers.json").code == 0
    monkeypatch.setenv("RANK", "2")
    assert "expected RANK below WORLD_SIZE" in run(*words, "--out", "out").err
