"""All code that imports onnx."""
