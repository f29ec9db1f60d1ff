"""OpenVINO graphs to int8 through NNCF, by what they get to see while a clip is tracked."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from masklet.errors import needs

QUANTIZED: Final = ("condition",)
"""The graphs that are quantized; the others are copied. The embedded model's image encoder does not bear it, nor does
its memory encoder: masks then keep an IoU with those in float32 of less than 0.97."""


def write_int8(exact: Path, folder: Path, examples: Mapping[str, Sequence[Mapping[str, np.ndarray]]]) -> None:
    """Write the graphs of a folder into another, memory attention in int8.

    Args:
        exact: OpenVINO graphs in float32.
        folder: must be there.
        examples: inputs of each graph.

    Raises:
        MissingExtraError: NNCF is not installed.
    """
    with needs("openvino", 'dtype="int8"'), without_telemetry():
        import nncf  # noqa: PLC0415
        import openvino  # noqa: PLC0415
    logging.getLogger("nncf").setLevel(logging.ERROR)
    core = openvino.Core()
    for path in sorted(exact.glob("*.xml")):
        graph = path.stem
        if graph not in QUANTIZED:
            for file in (path, path.with_suffix(".bin")):
                shutil.copyfile(file, folder / file.name)
            continue
        inputs: list[Any] = list(examples[graph])
        quantized = nncf.quantize(
            core.read_model(path),
            nncf.Dataset(inputs),
            subset_size=len(inputs),
            preset=nncf.QuantizationPreset.MIXED,
            model_type=nncf.ModelType.TRANSFORMER,
        )
        openvino.save_model(quantized, folder / path.name, compress_to_fp16=False)


@contextmanager
def without_telemetry() -> Iterator[None]:
    """NNCF, imported inside, does not report its use over the network, as it otherwise does without asking."""
    modules: dict[str, object] = sys.modules  # type: ignore[assignment]
    name = "openvino_telemetry"
    before = modules.get(name)
    modules[name] = None  # as if it were not installed: the importer then goes without
    try:
        yield
    finally:
        if before is None:
            del modules[name]
        else:
            modules[name] = before
