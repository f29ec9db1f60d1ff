"""Graphs on OpenVINO: as OpenVINO's own files, in float32, bfloat16 or int8."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from masklet.backends.bundle import Bundle
from masklet.backends.graph_model import GraphModel
from masklet.backends.graphs import VERBS
from masklet.backends.sessions import Compute, Sessions
from masklet.errors import DeviceError, WeightsError, needs
from masklet.model.config import EfficientNetConfig

DTYPES: Final = ("float32", "bfloat16", "int8")
EXACT: Final = ("decode", "use_mask_as_output", "condition_empty")
"""Graphs that always compute in float32: they are quick, and bfloat16 cannot tell neighboring pixels apart:
clicks would move."""


def write_openvino(onnx_folder: Path, folder: Path, graphs: list[str]) -> None:
    """Write ONNX graphs as OpenVINO's files, with float32 weights.

    Raises:
        MissingExtraError: OpenVINO is not installed.
    """
    with needs("openvino", "writing OpenVINO graphs"):
        import openvino  # noqa: PLC0415
        from openvino.passes import ConstantFolding, Manager  # noqa: PLC0415
    core = openvino.Core()
    for graph in graphs:
        read = core.read_model(onnx_folder / f"{graph}.onnx")
        folding = Manager()
        folding.register_pass(ConstantFolding())
        folding.run_passes(read)  # what weights alone decide, such as a norm within a convolution, is computed now
        openvino.save_model(read, folder / f"{graph}.xml", compress_to_fp16=False)


def open_openvino(bundle: Bundle, dtype: str = "float32", device: str = "CPU") -> GraphModel:
    """A model on OpenVINO.

    Args:
        bundle: graphs in OpenVINO's form.
        dtype: "float32", "bfloat16", or "int8" for a bundle that is quantized. In bfloat16 the graphs of `EXACT` stay
            in float32, and so does the embedded model's image encoder, which does not bear it.
        device: "CPU", "GPU", "NPU" or another of OpenVINO's.

    Raises:
        MissingExtraError: OpenVINO is not installed.
        DeviceError: a device or number type that is not here.
        WeightsError: graphs that cannot be read.
    """
    with needs("openvino", 'backend="openvino"'):
        import openvino  # noqa: PLC0415
    core = openvino.Core()
    if re.split(r"[:.]", device, maxsplit=1)[0] not in (*core.available_devices, "AUTO"):
        raise DeviceError(f"OpenVINO has no device {device[:32]} here (there is {', '.join(core.available_devices)})")
    if dtype == "bfloat16" and "BF16" not in core.get_property(device, "OPTIMIZATION_CAPABILITIES"):
        raise DeviceError(f"{device} does not compute in bfloat16: choose float32 or int8")
    rounded = set(VERBS) - {*EXACT, *(["encode_image"] if isinstance(bundle.config.trunk, EfficientNetConfig) else [])}

    def compile_graph(graph: str) -> Compute:
        structure, weights = bundle.content(graph)
        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "bf16" if dtype == "bfloat16" and graph in rounded else "f32"
        }
        if device == "CPU":
            settings["INFERENCE_NUM_THREADS"] = torch.get_num_threads()
        try:
            compiled = core.compile_model(core.read_model(structure, weights), device, settings)
        except Exception as error:
            line = (str(error).strip() or type(error).__name__).splitlines()[-1][:200]
            raise WeightsError(f"OpenVINO cannot run {graph} of {bundle.folder}: {line}") from None
        wanted = [node.any_name for node in compiled.inputs]
        request = compiled.create_infer_request()

        def compute(given: dict[str, np.ndarray]) -> list[np.ndarray]:
            if (
                graph == "use_mask_as_output" and len(given["mask"]) > 1
            ):  # OpenVINO 2026.4 fails at several masks on one picture
                rows = [compute({**given, "mask": mask[None]}) for mask in given["mask"]]
                return [np.concatenate(outputs) for outputs in zip(*rows, strict=True)]
            results = request.infer({name: given[name] for name in wanted}, share_inputs=True)
            return [results[output] for output in compiled.outputs]

        return compute

    return GraphModel(bundle.config, Sessions(compile_graph), backend=f"openvino {dtype}")
