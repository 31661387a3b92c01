"""Everything that imports onnx."""
