"""Models on ONNX Runtime with its execution providers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch

from masklet.backends.bundle import Bundle
from masklet.backends.graph_model import GraphModel, GraphRunner, RunGraph
from masklet.errors import DeviceError, WeightsError, needs

Provider = str | tuple[str, dict[str, Any]]
"""Execution provider, by a name of ONNX Runtime or a short name, alone or with options."""

SHORT_NAMES: Final = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}


def open_onnx(bundle: Bundle, providers: Sequence[Provider] = ()) -> GraphModel:
    """Open a model on ONNX Runtime.

    Args:
        bundle: ONNX graphs.
        providers: execution providers in order of preference, with the CPU as fallback.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        DeviceError: a provider is not available in this installation.
        WeightsError: a graph cannot be read.
    """
    with needs("onnx", 'backend="onnx"'):
        import onnxruntime  # noqa: PLC0415
    chosen = _providers(providers, onnxruntime.get_available_providers())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3

    def compile_graph(graph: str) -> RunGraph:
        (content,) = bundle.content(graph)
        try:
            session = onnxruntime.InferenceSession(content, options, providers=chosen)
        except Exception as error:
            line = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            raise WeightsError(f"ONNX Runtime cannot run {graph} of {bundle.folder}: {line}") from None
        names = [node.name for node in session.get_inputs()]
        return lambda inputs: session.run(None, {name: inputs[name] for name in names})

    return GraphModel(bundle.config, GraphRunner(compile_graph), backend="onnx")


def _providers(wanted: Sequence[Provider], available: Sequence[str]) -> list[Provider]:
    chosen: list[Provider] = []
    for provider in wanted:
        name, *options = (provider,) if isinstance(provider, str) else provider
        name = SHORT_NAMES.get(str(name).lower(), str(name))
        if name not in available:
            raise DeviceError(
                f"ONNX Runtime has no {name[:64]} here (available: {', '.join(available)}): "
                "install a build of onnxruntime that includes it"
            )
        chosen.append((name, *options) if options else name)  # type: ignore[arg-type]
    return [*chosen, SHORT_NAMES["cpu"]] if SHORT_NAMES["cpu"] not in chosen else chosen
