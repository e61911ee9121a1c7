"""OpenVINO IR (versions 10 and 11) -> ONNX for plain convolutional networks.

Tried on Open Model Zoo's face-reidentification-retail-0095. The output is flattened and called `embedding`; weights
that are exact in float16 are stored so.
"""

import math
import xml.etree.ElementTree as ElementTree

import numpy as np

from converters.graph import Graph

DTYPES = {"f16": np.float16, "f32": np.float32, "i64": np.int64, "i32": np.int32}
ELEMENTWISE = {"Add": "Add", "Multiply": "Mul", "Sigmoid": "Sigmoid"}


def convert(inputs):
    """The network (XML) and its weights -> the bytes of an .onnx file."""
    network, weights = inputs
    return Converter(ElementTree.fromstring(network), weights).run()


def integers(text):
    return [int(part) for part in text.split(",")] if text else []


def dimensions(layer, side):
    return [int(dim.text) for dim in layer.find(side)[0].findall("dim")]


class Converter:
    """Walks the layers, which OpenVINO writes in order of use. A value is known by (layer id, port id)."""

    def __init__(self, network, weights):
        self.network, self.weights = network, weights
        self.graph = Graph(half_constants=True)
        self.names, self.constants = {}, {}
        self.origin = {
            (edge.get("to-layer"), edge.get("to-port")): (edge.get("from-layer"), edge.get("from-port"))
            for edge in network.find("edges")
        }

    def run(self):
        inputs, outputs = {}, {}
        for layer in self.network.find("layers"):
            kind, sources = layer.get("type"), self.sources(layer)
            data = layer.find("data")
            data = {} if data is None else data.attrib
            result = (layer.get("id"), layer.find("output")[0].get("id")) if kind != "Result" else None
            if kind == "Parameter":
                inputs["input"] = integers(data["shape"])
                self.names[result] = "input"
            elif kind == "Const":
                self.constants[result] = self.constant(data)
            elif kind == "Convert":
                self.constants[result] = self.constants[sources[0]].astype(DTYPES[data["destination_type"]])
            elif kind == "Result":
                shape = dimensions(layer, "input")
                outputs["embedding"] = [shape[0], math.prod(shape[1:])]
                self.graph.output("Flatten", [self.name(sources[0])], "embedding", axis=1)
            else:
                self.names[result] = self.node(kind, layer, data, sources)
        return self.graph.finish(self.network.get("name"), inputs, outputs, producer_name="ir2onnx")

    def sources(self, layer):
        ports = layer.find("input")
        return [] if ports is None else [self.origin[layer.get("id"), port.get("id")] for port in ports]

    def constant(self, data):
        dtype = np.dtype(DTYPES[data["element_type"]])
        count, offset = int(data["size"]) // dtype.itemsize, int(data["offset"])
        return np.frombuffer(self.weights, dtype, count, offset).reshape(integers(data["shape"]))

    def name(self, source):
        return self.graph.constant(self.constants[source]) if source in self.constants else self.names[source]

    def node(self, kind, layer, data, sources):
        if kind in ELEMENTWISE:
            return self.graph.node(ELEMENTWISE[kind], [self.name(source) for source in sources])
        if kind in ("Convolution", "GroupConvolution"):
            return self.convolution(kind, data, sources)
        if kind == "PReLU":
            slope = self.constants[sources[1]].astype(np.float32).reshape(-1)
            operand = self.name(sources[0])
            if slope.size == 1:
                return self.graph.node("LeakyRelu", [operand], alpha=float(slope[0]))
            return self.graph.prelu(operand, slope)
        if kind == "AvgPool":
            whole = integers(data["kernel"]) == dimensions(layer, "input")[2:]
            assert whole and integers(data["pads_begin"]) == [0, 0], "only global pooling"
            return self.graph.node("GlobalAveragePool", [self.name(sources[0])])
        raise NotImplementedError(f"OpenVINO layer {kind}")

    def convolution(self, kind, data, sources):
        assert data.get("auto_pad", "explicit") in ("explicit", "valid"), data
        weights, groups = self.constants[sources[1]], 1
        if kind == "GroupConvolution":
            groups = weights.shape[0]
            weights = weights.reshape((-1, *weights.shape[2:]))
        return self.graph.node(
            "Conv",
            [self.name(sources[0]), self.graph.constant(weights, "w")],
            kernel_shape=list(weights.shape[2:]),
            strides=integers(data["strides"]),
            dilations=integers(data["dilations"]),
            pads=integers(data["pads_begin"]) + integers(data["pads_end"]),
            group=groups,
        )
