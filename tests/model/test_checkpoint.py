"""Weight files as people and enemies make them: every bad one is one WeightsError of one line."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from masklet.errors import WeightsError
from masklet.model.checkpoint import MAX_FILE_BYTES, read_checkpoint


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("echo gotcha",)


def empty(path: Path) -> None:
    path.touch()


def folder(path: Path) -> None:
    path.mkdir()


def text(path: Path) -> None:
    path.write_text("<html>not found</html>")


def truncated_torch(path: Path) -> None:
    torch.save({"model": {"a": torch.zeros(1000)}}, path)
    path.write_bytes(path.read_bytes()[:2000])


def pickled_code(path: Path) -> None:
    torch.save({"model": {"a": Evil()}}, path)


def old_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(Evil()))


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)


def zip_of_text(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "hello")


def compressed_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**6))


def list_of_tensors(path: Path) -> None:
    torch.save({"model": [torch.zeros(1)]}, path)


def numbers(path: Path) -> None:
    torch.save({"model": {"a": 3}}, path)


def no_tensors(path: Path) -> None:
    torch.save({"model": {}}, path)


def sparse(path: Path) -> None:
    torch.save({"model": {"a": torch.eye(2).to_sparse()}}, path)


def tensor_of_nothing(path: Path) -> None:
    torch.save({"model": {"a": torch.zeros(2, device="meta")}}, path)


def truncated_safetensors(path: Path) -> None:
    save_file({"a": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:-1])


def endless_header(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}")


def other_schema(path: Path) -> None:
    save_file({"a": torch.zeros(1)}, path, {"masklet.config": "{}", "masklet.schema": "99"})


def metadata_of_nothing(path: Path) -> None:
    save_file({"a": torch.zeros(1)}, path, {"masklet.config": "{}", "masklet.schema": "1"})


BAD: dict[Callable[[Path], None], str] = {  # what writes the file, and the value that the error shows
    empty: "",
    folder: "",
    text: "",
    truncated_torch: "",
    pickled_code: "",
    old_pickle: "",
    huge: "16.0 GiB",
    zip_of_text: "",
    compressed_zip: "",
    list_of_tensors: "list",
    numbers: "a of type int",
    no_tensors: "dict",
    sparse: "",
    tensor_of_nothing: "",
    truncated_safetensors: "",
    endless_header: "",
    other_schema: "'99'",
    metadata_of_nothing: "ModelConfig",
}


@pytest.mark.parametrize(("make", "shown"), BAD.items(), ids=[make.__name__ for make in BAD])
def test_bad_file(make: Callable[[Path], None], shown: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "weights.pt"
    make(path)
    with pytest.raises(WeightsError, match=shown or None) as raised:
        read_checkpoint(path)
    assert "\n" not in str(raised.value)
    assert "weights.pt" in str(raised.value)
    assert "gotcha" not in capfd.readouterr().out


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.pt"):
        read_checkpoint(tmp_path / "none.pt")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 1500), junk=st.binary(min_size=1, max_size=8), form=st.sampled_from(["pt", "safetensors"]))
def test_damaged_bytes_never_escape(place: int, junk: bytes, form: str, tmp_path: Path) -> None:
    """A few overwritten bytes leave either readable tensors or one typed error."""
    path = tmp_path / "weights"
    tensors = {"image_encoder.x": torch.zeros(64), "b": torch.ones(2, 2)}
    if form == "pt":
        torch.save({"model": tensors}, path)
    else:
        save_file(tensors, path)
    content = bytearray(path.read_bytes())
    content[place : place + len(junk)] = junk
    path.write_bytes(content)
    try:
        checkpoint = read_checkpoint(path)
    except WeightsError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert checkpoint.tensors


@pytest.mark.parametrize("wrap", [lambda tensors: {"model": tensors, "epoch": 3}, lambda tensors: tensors])
def test_checkpoints_of_training_and_bare_ones(wrap: Callable[[object], object], tmp_path: Path) -> None:
    path = tmp_path / "anything.bin"
    torch.save(wrap({"a": torch.ones(2), "no_mem_pos_enc": torch.ones(1)}), path)
    assert {name: t.tolist() for name, t in read_checkpoint(path).tensors.items()} == {"a": [1.0, 1.0]}
