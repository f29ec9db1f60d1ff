"""A torch model to ONNX graphs: one a verb, sizes of batches and memories left open, in real arithmetic."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch

from masklet.backends.graphs import LENGTHS, VERBS, Signature, signatures
from masklet.errors import needs
from masklet.model.sam2 import Sam2

OPSET: Final = 23
"""The first ONNX operator set with attention as one operator, so that run times can use their own."""


def write_onnx(model: Sam2, folder: Path) -> None:
    """Write every graph of a model into a folder, as ``condition.onnx`` and the like.

    Args:
        model: in float32, on the processor.
        folder: must be there.

    Raises:
        MissingExtraError: the packages that write ONNX are not installed.
    """
    with needs("onnx", "writing ONNX graphs"):
        import onnx  # noqa: PLC0415
        import onnxscript  # noqa: F401, PLC0415
    assert (model.dtype, model.device.type) == (torch.float32, "cpu")
    for name, signature in signatures(model.config).items():
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                _captured(model, name, signature),
                dynamo=True,
                opset_version=OPSET,
                input_names=list(signature.inputs),
                output_names=list(signature.outputs),
                verbose=False,
            )
        assert program is not None
        graph = program.model_proto
        _tidy(graph, signature)
        graph.producer_name, graph.doc_string = "masklet", f"{name} of {model.config.full_name}"
        onnx.save(graph, folder / f"{name}.onnx")


def _captured(model: Sam2, name: str, signature: Signature) -> torch.export.ExportedProgram:
    """What the verb computes, for any lengths of the axes that have a name."""
    lengths = {axis: torch.export.Dim(axis) for axis in LENGTHS}
    open_axes = {
        given: {place: lengths[axis] for place, axis in enumerate(axes) if isinstance(axis, str)}
        for given, axes in signature.inputs.items()
    }
    return torch.export.export(VERBS[name](model), (signature.example(),), dynamic_shapes=(open_axes,), strict=False)


def _tidy(graph: Any, signature: Signature) -> None:
    """Call the open axes by our names in place of the exporter's, and leave out where each node comes from."""
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
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on itself."""
    logger = logging.getLogger("torch.onnx._internal.exporter")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
