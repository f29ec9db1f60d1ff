"""What is in the ONNX files: our names, open axes, nothing of the machine they were written on."""

from __future__ import annotations

import pytest

from masklet.backends.bundle import Bundle
from masklet.backends.convert import OPSET
from masklet.backends.graphs import LENGTHS, signatures
from masklet.model.config import TEST_TINY


@pytest.mark.parametrize("graph", signatures(TEST_TINY))
def test_graphs_say_what_they_take(onnx_bundle: Bundle, graph: str) -> None:
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    (content,) = onnx_bundle.content(graph)
    model = onnx.load_from_string(content)
    signature = signatures(onnx_bundle.config)[graph]
    taken = {
        value.name: tuple(dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in model.graph.input
    }
    assert taken == {name: axes for name, axes in signature.inputs.items() if name in taken}
    assert [value.name for value in model.graph.output] == list(signature.outputs)
    assert {axis for axes in taken.values() for axis in axes if isinstance(axis, str)} <= set(LENGTHS)
    assert [entry.version for entry in model.opset_import if entry.domain == ""] == [OPSET]
    assert {node.domain for node in model.graph.node} == {""}
    assert not any(len(node.metadata_props) or node.doc_string for node in model.graph.node)
