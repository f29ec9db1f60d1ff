"""The model's five verbs on other run times: ONNX Runtime and OpenVINO. Tensors in, tensors out, nothing kept."""
