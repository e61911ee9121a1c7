"""Converters from the published forms of the networks to ONNX.

Each module has `convert(inputs: list[bytes]) -> bytes`. They are pure and deterministic: the same bytes and the
same packages (requirements.txt) give the same bytes, which is what lets the manifest pin the SHA-256 of a product.
"""
