"""dlib_face_recognition_resnet_model_v1 -> ONNX, from face-api's copy with 8-bit weights.

Input: 1x3x150x150 RGB, 0..255, the normalisation is inside; output: 1x128. The network is dlib's anet
(dnn_face_recognition_ex.cpp): a 7x7 convolution, then residual blocks of two 3x3 convolutions whose channels and
stride stand in their names. face-api keeps dlib's per-channel affine layer as `scale`: it is folded into the
convolution before it.
"""

import json

import numpy as np

from converters.graph import Graph

STEM = "conv32_down"
BLOCKS = [
    "conv32_1", "conv32_2", "conv32_3",
    "conv64_down", "conv64_1", "conv64_2", "conv64_3",
    "conv128_down", "conv128_1", "conv128_2",
    "conv256_down", "conv256_1", "conv256_2",
    "conv256_down_out",
]  # fmt: skip
STEM_SIZE, STEM_CHANNELS = 35, 32
# dlib's input_rgb_image_sized
MEAN, DIVISOR = (122.782, 117.001, 104.298), 256.0


def convert(inputs):
    """The weights' index (JSON) and the weights -> the bytes of an .onnx file."""
    index, data = inputs
    weights = dequantized(json.loads(index), data)
    layers = {}
    for name in [STEM, *(f"{block}/{conv}" for block in BLOCKS for conv in ("conv1", "conv2"))]:
        filters = weights[f"{name}/conv/filters"].transpose(3, 2, 0, 1)
        scale = weights[f"{name}/scale/weights"]
        bias = weights[f"{name}/conv/bias"] * scale + weights[f"{name}/scale/biases"]
        layers[name] = filters * scale[:, None, None, None], bias
    return build(layers, weights["fc"])


def dequantized(index, data):
    """Every tensor of a TensorFlow.js weights file, by name."""
    tensors, offset = {}, 0
    for entry in (entry for group in index for entry in group["weights"]):
        count = int(np.prod(entry["shape"], dtype=np.int64))
        quantization = entry.get("quantization")
        if quantization:
            array = np.frombuffer(data, np.dtype(quantization["dtype"]), count, offset)
            offset += array.nbytes
            array = array.astype(np.float32) * np.float32(quantization["scale"]) + np.float32(quantization["min"])
        else:
            array = np.frombuffer(data, np.dtype("<f4"), count, offset)
            offset += array.nbytes
        tensors[entry["name"]] = array.reshape(entry["shape"])
    assert offset == len(data), "index and weights belong together"
    return tensors


def build(layers, projection):
    graph = Graph()

    def pad(x, amounts):
        return graph.node("Pad", [x, graph.constant(np.array([0, 0, 0, 0, *amounts], np.int64), "p")])

    def convolution(x, name, stride, padding):
        weights, bias = (array.astype(np.float32) for array in layers[name])
        operands = [x, graph.constant(weights, "w"), graph.constant(bias, "b")]
        kernel = list(weights.shape[2:])
        return graph.node("Conv", operands, kernel_shape=kernel, strides=[stride] * 2, pads=[padding] * 4)

    mean = graph.constant(np.array(MEAN, np.float32).reshape(1, 3, 1, 1), "mean")
    x = graph.node("Sub", ["input", mean])
    x = graph.node("Mul", [x, graph.constant(np.array(1 / DIVISOR, np.float32), "scale")])
    x = graph.node("Relu", [convolution(x, STEM, 2, 0)])
    x = graph.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2])

    size, channels = STEM_SIZE, STEM_CHANNELS
    for block in BLOCKS:
        if "_down" not in block:
            y = graph.node("Relu", [convolution(x, f"{block}/conv1", 1, 1)])
            y = convolution(y, f"{block}/conv2", 1, 1)
            x = graph.node("Relu", [graph.node("Add", [y, x])])
            continue
        y = graph.node("Relu", [convolution(x, f"{block}/conv1", 2, 0)])
        y = convolution(y, f"{block}/conv2", 1, 1)
        shortcut = graph.node("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
        # dlib adds tensors of different sizes as if the smaller were padded with zeros.
        convolved, pooled = (size - 3) // 2 + 1, (size - 2) // 2 + 1
        wider = layers[f"{block}/conv1"][0].shape[0]
        if pooled > convolved:
            y = pad(y, [0, 0, pooled - convolved, pooled - convolved])
        if wider > channels:
            shortcut = pad(shortcut, [0, wider - channels, 0, 0])
        x = graph.node("Relu", [graph.node("Add", [y, shortcut])])
        size, channels = pooled, wider

    x = graph.node("Flatten", [graph.node("GlobalAveragePool", [x])], axis=1)
    graph.output("MatMul", [x, graph.constant(projection.astype(np.float32), "fc")], "embedding")
    return graph.finish(
        "dlib_face_recognition_resnet_v1",
        {"input": [1, 3, 150, 150]},
        {"embedding": [1, 128]},
        producer_name="dlib2onnx",
    )
