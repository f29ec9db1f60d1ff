"""Conversion of a torch model to ONNX or OpenVINO graphs, one per method, with dynamic batch and memory sizes."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from masklet.backends.bundle import Bundle, write_bundle
from masklet.backends.graphs import GRAPHS, LENGTHS, Signature, signatures
from masklet.backends.openvino_runtime import write_int8, write_openvino
from masklet.errors import needs
from masklet.model.config import ModelConfig
from masklet.model.sam2 import Sam2

OPSET: Final = 23
"""First ONNX operator set with attention as one operator, which runtimes can map to their own kernels."""

PACKAGES: Final = {
    ("onnx", "float32"): ("masklet", "torch", "onnx", "onnxscript"),
    ("openvino", "float32"): ("masklet", "torch", "onnx", "onnxscript", "openvino"),
    ("openvino", "int8"): ("masklet", "torch", "onnx", "onnxscript", "openvino", "nncf"),
}
"""Packages that determine the graphs of a format and precision."""

Examples = Mapping[str, Sequence[Mapping[str, np.ndarray]]]
"""Inputs of each graph, recorded while a clip is tracked."""


def plan_bundle(folder: Path, form: str, precision: str, config: ModelConfig, weights: str) -> Bundle:
    """Describe the graphs that the installed packages would write.

    Args:
        folder: target folder.
        form: "onnx" or "openvino".
        precision: "float32" or "int8".
        config: configuration of the model.
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
        model: model in float32 on the CPU.
        plan: from `plan_bundle`.
        examples: for int8: returns calibration inputs, given the graphs in float32.
        overwrite: replace an existing folder of graphs.

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
            write_openvino(onnx, folder, list(signatures(plan.config)))

        if plan.precision == "float32":
            return write_bundle(plan, write_float32, overwrite=overwrite)
        assert examples is not None
        exact = plan_bundle(Path(scratch, "float32"), plan.format, "float32", plan.config, plan.weights)
        exact = write_bundle(exact, write_float32)
        inputs = examples(exact)
        return write_bundle(plan, lambda folder: write_int8(exact.folder, folder, inputs), overwrite=overwrite)


def write_onnx(model: Sam2, folder: Path) -> None:
    """Write every method of a model as an ONNX graph, such as ``condition.onnx``.

    Args:
        model: model in float32 on the CPU.
        folder: existing target folder.

    Raises:
        MissingExtraError: the packages that write ONNX are not installed.
    """
    with needs("onnx", "writing ONNX graphs"):
        import onnx  # noqa: PLC0415
        import onnxscript  # noqa: F401, PLC0415
    assert (model.dtype, model.device.type) == (torch.float32, "cpu")
    for name, signature in signatures(model.config).items():
        with _without_export_warnings(), torch.no_grad():
            program = torch.onnx.export(
                _exported(model, name, signature),
                dynamo=True,
                opset_version=OPSET,
                input_names=list(signature.inputs),
                output_names=list(signature.outputs),
                verbose=False,
            )
        assert program is not None
        graph = program.model_proto
        _clean(graph, signature)
        graph.producer_name, graph.doc_string = "masklet", f"{name} of {model.config.full_name}"
        onnx.save(graph, folder / f"{name}.onnx")


def _exported(model: Sam2, name: str, signature: Signature) -> torch.export.ExportedProgram:
    """Export a method as a program with dynamic lengths of all named axes."""
    lengths = {axis: torch.export.Dim(axis, min=signature.least.get(axis)) for axis in LENGTHS}
    dynamic_axes = {
        given: {place: lengths[axis] for place, axis in enumerate(axes) if isinstance(axis, str)}
        for given, axes in signature.inputs.items()
    }
    return torch.export.export(
        GRAPHS[name](model), (signature.example(),), dynamic_shapes=(dynamic_axes,), strict=False
    )


def _clean(graph: Any, signature: Signature) -> None:
    """Rename the dynamic axes to those of the signature, and remove the exporter's metadata."""
    for node in graph.graph.node:
        node.ClearField("metadata_props")
    graph.graph.ClearField("metadata_props")
    graph.ClearField("metadata_props")
    names = {}
    for value in graph.graph.input:
        for axis, dim in zip(signature.inputs[value.name], value.type.tensor_type.shape.dim, strict=True):
            if dim.dim_param:
                names[dim.dim_param] = str(axis)
    for value in [*graph.graph.input, *graph.graph.output, *graph.graph.value_info]:
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in names:
                dim.dim_param = names[dim.dim_param]


@contextmanager
def _without_export_warnings() -> Iterator[None]:
    """Silence warnings and log messages of the exporter."""
    logger = logging.getLogger("torch.onnx._internal.exporter")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
