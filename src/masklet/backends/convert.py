"""A torch model to a folder of graphs in any of the forms."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import numpy as np

from masklet.backends.bundle import Bundle, write_bundle
from masklet.backends.export import write_onnx
from masklet.backends.graphs import VERBS
from masklet.backends.openvino_runtime import write_openvino
from masklet.backends.quantize import write_int8
from masklet.model.config import ModelConfig
from masklet.model.sam2 import Sam2

PACKAGES: Final = {
    ("onnx", "float32"): ("masklet", "torch", "onnx", "onnxscript"),
    ("openvino", "float32"): ("masklet", "torch", "onnx", "onnxscript", "openvino"),
    ("openvino", "int8"): ("masklet", "torch", "onnx", "onnxscript", "openvino", "nncf"),
}
"""What writes graphs of a form and precision."""

Examples = Mapping[str, Sequence[Mapping[str, np.ndarray]]]
"""Inputs that graphs got while a clip was tracked, by the name of the graph."""


def plan_bundle(folder: Path, form: str, precision: str, config: ModelConfig, weights: str) -> Bundle:
    """What would be written, in these versions.

    Args:
        folder: where.
        form: "onnx" or "openvino".
        precision: "float32" or "int8".
        config: what the model is.
        weights: SHA-256 of its weights.
    """
    versions = {name: _version(name) for name in PACKAGES[form, precision]}
    return Bundle(
        folder=folder, format=form, precision=precision, config=config, weights=weights, versions=versions, files={}
    )


def write_graphs(
    model: Sam2, plan: Bundle, *, examples: Callable[[Bundle], Examples] | None = None, overwrite: bool = False
) -> Bundle:
    """Write a model as graphs.

    Args:
        model: in float32, on the processor.
        plan: from `plan_bundle`.
        examples: for int8: what the graphs in float32 get to see while a clip is tracked with them.
        overwrite: take the place of a folder of graphs that is there already.

    Raises:
        MissingExtraError: a package is missing.
        OutputError: the folder cannot be written.
    """
    if plan.format == "onnx":
        return write_bundle(plan, lambda folder: write_onnx(model, folder), overwrite=overwrite)
    with tempfile.TemporaryDirectory(prefix="masklet-") as scratch:
        onnx = Path(scratch, "onnx")

        def write_float32(folder: Path) -> None:
            onnx.mkdir()
            write_onnx(model, onnx)
            write_openvino(onnx, folder, list(VERBS))

        if plan.precision == "float32":
            return write_bundle(plan, write_float32, overwrite=overwrite)
        assert examples is not None
        exact = plan_bundle(Path(scratch, "float32"), plan.format, "float32", plan.config, plan.weights)
        exact = write_bundle(exact, write_float32)
        seen = examples(exact)
        return write_bundle(plan, lambda folder: write_int8(exact.folder, folder, seen), overwrite=overwrite)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
