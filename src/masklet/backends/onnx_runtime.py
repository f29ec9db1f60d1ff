"""Graphs on ONNX Runtime, with the execution providers that it has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import torch

from masklet.backends.bundle import Bundle
from masklet.backends.graph_model import GraphModel
from masklet.backends.sessions import Sessions
from masklet.errors import DeviceError, WeightsError, needs

Provider = str | tuple[str, dict[str, Any]]
"""An execution provider by ONNX Runtime's name or ours, alone or with its options."""

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
    """A model on ONNX Runtime.

    Args:
        bundle: graphs in the form ONNX.
        providers: execution providers in the order of preference, the processor by default; what none of them can
            compute, the processor does.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        DeviceError: a provider that this installation does not have.
        WeightsError: graphs that cannot be read.
    """
    with needs("onnx", 'backend="onnx"'):
        import onnxruntime  # noqa: PLC0415
    chosen = _providers(providers, onnxruntime.get_available_providers())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3

    def compile_graph(graph: str) -> Callable[[dict[str, np.ndarray]], list[np.ndarray]]:
        (content,) = bundle.content(graph)
        try:
            session = onnxruntime.InferenceSession(content, options, providers=chosen)
        except Exception as error:
            line = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            raise WeightsError(f"ONNX Runtime cannot run {graph} of {bundle.folder}: {line}") from None
        wanted = [node.name for node in session.get_inputs()]
        return lambda given: session.run(None, {name: given[name] for name in wanted})

    return GraphModel(bundle.config, Sessions(compile_graph), backend="onnx")


def _providers(wanted: Sequence[Provider], available: Sequence[str]) -> list[Provider]:
    chosen: list[Provider] = []
    for provider in wanted:
        name, *options = (provider,) if isinstance(provider, str) else provider
        name = SHORT_NAMES.get(str(name).lower(), str(name))
        if name not in available:
            raise DeviceError(
                f"ONNX Runtime has no {name[:64]} here (there is {', '.join(available)}): "
                "install the build of onnxruntime that brings it"
            )
        chosen.append((name, *options) if options else name)  # type: ignore[arg-type]
    return [*chosen, SHORT_NAMES["cpu"]] if SHORT_NAMES["cpu"] not in chosen else chosen
