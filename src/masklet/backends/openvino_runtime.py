"""Models on OpenVINO in float32, bfloat16 or int8: writing its graphs, quantizing them with NNCF, running them."""

from __future__ import annotations

import logging
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from masklet.backends.bundle import Bundle
from masklet.backends.graph_model import GraphModel, GraphRunner, RunGraph
from masklet.backends.graphs import GRAPHS
from masklet.errors import DeviceError, WeightsError, needs
from masklet.model.config import EfficientNetConfig

DTYPES: Final = ("float32", "bfloat16", "int8")
FLOAT32_GRAPHS: Final = ("decode", "use_mask_as_output", "condition_empty")
"""Graphs that always run in float32: they are fast, and bfloat16 cannot distinguish adjacent pixels, so clicks would
move."""

QUANTIZED: Final = ("condition",)
"""Graphs that are quantized; the others are copied. With a quantized image or memory encoder, masks of the embedded
model have an IoU below 0.97 with those in float32."""


def write_openvino(onnx_folder: Path, folder: Path, graphs: list[str]) -> None:
    """Convert ONNX graphs to OpenVINO graphs with float32 weights.

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
        folding.run_passes(read)  # fold what depends only on weights, such as batch norms, into constants
        openvino.save_model(read, folder / f"{graph}.xml", compress_to_fp16=False)


def write_int8(exact: Path, folder: Path, examples: Mapping[str, Sequence[Mapping[str, np.ndarray]]]) -> None:
    """Write OpenVINO graphs with those of `QUANTIZED` in int8.

    Args:
        exact: folder of graphs in float32.
        folder: existing target folder.
        examples: calibration inputs of each graph.

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
    """Prevent NNCF, imported in the block, from reporting usage over the network."""
    modules: dict[str, object] = sys.modules  # type: ignore[assignment]
    name = "openvino_telemetry"
    before = modules.get(name)
    modules[name] = None  # makes the import fail, which disables telemetry
    try:
        yield
    finally:
        if before is None:
            del modules[name]
        else:
            modules[name] = before


def open_openvino(bundle: Bundle, dtype: str = "float32", device: str = "CPU") -> GraphModel:
    """Open a model on OpenVINO.

    Args:
        bundle: OpenVINO graphs.
        dtype: "float32", "bfloat16", or "int8" for a quantized bundle. In bfloat16, the graphs of `FLOAT32_GRAPHS` and
            the image encoder of the embedded model run in float32.
        device: "CPU", "GPU", "NPU" or another device of OpenVINO.

    Raises:
        MissingExtraError: OpenVINO is not installed.
        DeviceError: the device or the dtype is not available.
        WeightsError: a graph cannot be read.
    """
    with needs("openvino", 'backend="openvino"'):
        import openvino  # noqa: PLC0415
    core = openvino.Core()
    if re.split(r"[:.]", device, maxsplit=1)[0] not in (*core.available_devices, "AUTO"):
        raise DeviceError(f"OpenVINO has no device {device[:32]} here (available: {', '.join(core.available_devices)})")
    if dtype == "bfloat16" and "BF16" not in core.get_property(device, "OPTIMIZATION_CAPABILITIES"):
        raise DeviceError(f"{device} does not support bfloat16: choose float32 or int8")
    bfloat16_graphs = set(GRAPHS) - {
        *FLOAT32_GRAPHS,
        *(["encode_image"] if isinstance(bundle.config.trunk, EfficientNetConfig) else []),
    }

    def compile_graph(graph: str) -> RunGraph:
        structure, weights = bundle.content(graph)
        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "bf16" if dtype == "bfloat16" and graph in bfloat16_graphs else "f32"
        }
        if device == "CPU":
            settings["INFERENCE_NUM_THREADS"] = torch.get_num_threads()
        try:
            compiled = core.compile_model(core.read_model(structure, weights), device, settings)
        except Exception as error:
            line = (str(error).strip() or type(error).__name__).splitlines()[-1][:200]
            raise WeightsError(f"OpenVINO cannot run {graph} of {bundle.folder}: {line}") from None
        names = [node.any_name for node in compiled.inputs]
        request = compiled.create_infer_request()

        def compute(inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
            if graph == "use_mask_as_output" and len(inputs["mask"]) > 1:  # OpenVINO 2026.4 fails for several masks
                rows = [compute({**inputs, "mask": mask[None]}) for mask in inputs["mask"]]
                return [np.concatenate(outputs) for outputs in zip(*rows, strict=True)]
            results = request.infer({name: inputs[name] for name in names}, share_inputs=True)
            return [results[output] for output in compiled.outputs]

        return compute

    return GraphModel(bundle.config, GraphRunner(compile_graph), backend=f"openvino {dtype}")
