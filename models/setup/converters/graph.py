"""A small builder of ONNX graphs, shared by the converters."""

import hashlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 13
IR_VERSION = 8


class Graph:
    """Nodes and constants of a graph under construction; values are named HINT_NUMBER in the order of creation."""

    def __init__(self, *, share_constants=False, half_constants=False):
        """share_constants: equal constants become one. half_constants: what float16 holds exactly is stored so."""
        self.nodes, self.constants = [], []
        self._share_constants, self._half_constants = share_constants, half_constants
        self._known, self._count = {}, 0

    def _fresh(self, hint):
        self._count += 1
        return f"{hint}_{self._count}"

    def constant(self, array, hint="c"):
        """Adds a constant and returns its name."""
        array = np.ascontiguousarray(array)
        key = (array.dtype.str, array.shape, hashlib.sha1(array.tobytes()).digest())
        if self._share_constants and key in self._known:
            return self._known[key]
        name = self._known[key] = self._fresh(hint)
        half = self._exact_half(array)
        if half is not None:
            # ONNX Runtime folds the Cast when it loads the model: half the file, the same arithmetic.
            self.constants.append(numpy_helper.from_array(half, f"{name}_h"))
            self.nodes.append(helper.make_node("Cast", [f"{name}_h"], [name], to=TensorProto.FLOAT))
        else:
            self.constants.append(numpy_helper.from_array(array, name))
        return name

    def _exact_half(self, array):
        """The array in float16 where that loses nothing and is worth it, else None."""
        if not self._half_constants or array.dtype != np.float32 or array.size < 16:
            return None
        with np.errstate(over="ignore"):
            half = array.astype(np.float16)
        return half if np.array_equal(half.astype(np.float32), array) else None

    def node(self, operator, inputs, hint=None, **attributes):
        """Adds a node with one output and returns the output's name."""
        output = self._fresh(hint or operator.lower())
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def output(self, operator, inputs, name, node_name=None, **attributes):
        """Adds a node whose output is an output of the graph."""
        self.nodes.append(helper.make_node(operator, inputs, [name], name=node_name, **attributes))

    def prelu(self, x, slope):
        """max(x, 0) + slope * min(x, 0), written as slope * x + (1 - slope) * relu(x).

        ONNX Runtime's PRelu kernel takes 10.6 of the landmark network's 17 ms and leaves the blocked layout around
        every one of the 69; a Mul it folds into the Conv before it.
        """
        slope = slope.reshape(-1, 1, 1)
        rest = (1 - slope.astype(np.float64)).astype(np.float32)
        slope, rest = self.constant(slope, "alpha"), self.constant(rest, "beta")
        return self.node("Add", [self.node("Mul", [x, slope]), self.node("Mul", [self.node("Relu", [x]), rest])])

    def drop_unused(self, outputs):
        """Removes what no output needs, and the Identity nodes whose input has no other reader."""
        needed, kept = set(outputs), []
        for node in reversed(self.nodes):
            if any(name in needed for name in node.output):
                kept.append(node)
                needed.update(node.input)
        kept.reverse()
        readers, producers = {}, {}
        for node in kept:
            for name in node.input:
                readers[name] = readers.get(name, 0) + 1
            for name in node.output:
                producers[name] = node
        self.nodes = []
        for node in kept:
            producer = producers.get(node.input[0]) if node.op_type == "Identity" else None
            if producer is not None and readers[node.input[0]] == 1:
                producer.output[list(producer.output).index(node.input[0])] = node.output[0]
            else:
                self.nodes.append(node)
        self.constants = [constant for constant in self.constants if constant.name in needed]

    def finish(self, name, inputs, outputs, **producer):
        """Checks the graph and returns the bytes of the model. Inputs and outputs: {name: shape}."""
        values = [
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in side.items()]
            for side in (inputs, outputs)
        ]
        graph = helper.make_graph(self.nodes, name, *values, self.constants)
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, **producer)
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString(deterministic=True)
