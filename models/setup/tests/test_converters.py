"""The OpenVINO converter on a network small enough to do by hand, and what becomes of PReLU.

The other two converters need no test here: `make models` runs them, and their products' SHA-256 stand in the manifest.
"""

import os
import subprocess
import sys
import textwrap
import unittest
from pathlib import Path

from tests.support import Case
from tools import Tools

SETUP = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vision-service"


def layer(id, kind, data="", inputs="", output=None):
    ports = "".join(f'<port id="{n}">{shape}</port>' for n, shape in enumerate(inputs))
    inputs = f"<input>{ports}</input>" if inputs else ""
    output = "" if output is None else f'<output><port id="{output}"/></output>'
    return f'<layer id="{id}" type="{kind}"><data {data}/>{inputs}{output}</layer>'


def dims(*sizes):
    return "".join(f"<dim>{size}</dim>" for size in sizes)


# Two channels of 2x2; per channel a 1x1 convolution (weights 2 and -1), a bias, PReLU (slope 0.5), the mean.
NETWORK = f"""<net name="tiny" version="11"><layers>
{layer(0, "Parameter", 'shape="1,2,2,2"', output=0)}
{layer(1, "Const", 'element_type="f16" shape="2,1,1,1,1" offset="0" size="4"', output=0)}
{layer(2, "Convert", 'destination_type="f32"', [""], 1)}
{layer(3, "GroupConvolution", 'strides="1,1" dilations="1,1" pads_begin="0,0" pads_end="0,0"', ["", ""], 2)}
{layer(4, "Const", 'element_type="f32" shape="1,2,1,1" offset="4" size="8"', output=0)}
{layer(5, "Add", "", ["", ""], 2)}
{layer(6, "Const", 'element_type="f32" shape="1" offset="12" size="4"', output=0)}
{layer(7, "PReLU", "", ["", ""], 2)}
{layer(8, "AvgPool", 'kernel="2,2" pads_begin="0,0"', [dims(1, 2, 2, 2)], 1)}
{layer(9, "Result", "", [dims(1, 2, 1, 1)])}
</layers><edges>{"".join(
    f'<edge from-layer="{a}" from-port="{b}" to-layer="{c}" to-port="{d}"/>'
    for a, b, c, d in [(1, 0, 2, 0), (0, 0, 3, 0), (2, 1, 3, 1), (3, 2, 5, 0), (4, 0, 5, 1), (5, 2, 7, 0),
                       (6, 0, 7, 1), (7, 2, 8, 0), (8, 1, 9, 0)]
)}</edges></net>"""

PROGRAM = """
import sys
import numpy as np, onnx
from onnx.reference import ReferenceEvaluator
from converters import openvino
weights = np.array([2, -1], "<f2").tobytes() + np.array([1, 0, 0.5], "<f4").tobytes()
model = onnx.load_from_string(openvino.convert([sys.stdin.buffer.read(), weights]))
picture = np.array([[[[0, 1], [-1, -2]], [[4, 4], [-4, 0]]]], np.float32)
print(ReferenceEvaluator(model).run(["embedding"], {"input": picture})[0].tolist())
"""


# Residual blocks whose PReLUs have slopes of every kind, before a sum, a convolution of each kind and a MaxPool.
PRELU = """
import copy
import numpy as np, onnx
from onnx.reference import ReferenceEvaluator
from converters import prelu
from converters.graph import Graph

random = np.random.default_rng(7)
graph = Graph()

def conv(x, shape, **options):
    weights, bias = (random.normal(size=s).astype(np.float32) for s in (shape, shape[:1]))
    return graph.node("Conv", [x, graph.constant(weights), graph.constant(bias)], kernel_shape=shape[2:], **options)

def bend(x, *slopes):
    slopes = np.array(slopes, np.float32).reshape(-1, 1, 1)
    return graph.node("PRelu", [x, graph.constant(slopes)])

first = bend(conv("picture", (4, 1, 1, 1)), 0.25, 1, 3, -2)
narrow = bend(conv(first, (4, 4, 1, 1)), 0.5, 2, -1, 0)
narrow = conv(narrow, (4, 1, 3, 3), group=4, pads=[1, 1, 1, 1])
second = bend(graph.node("Add", [first, conv(narrow, (4, 4, 1, 1))]), 5, 0, 1.5, 0.5)
deep = bend(conv(second, (4, 1, 3, 3), group=4, pads=[1, 1, 1, 1]), 1.25, 0.1, -4, 0.5)
total = bend(graph.node("Add", [second, conv(deep, (4, 4, 1, 1))]), 2, 0.1, -1, 7)
pooled = graph.node("MaxPool", [total], kernel_shape=[2, 2], strides=[2, 2])
graph.output("Add", [pooled, conv(total, (4, 4, 2, 2), strides=[2, 2])], "result")
before = copy.deepcopy(graph)
prelu.expand(graph)
graph.drop_unused(["result"])
assert all(node.op_type != "PRelu" for node in graph.nodes)
constants = [onnx.numpy_helper.to_array(constant) for constant in graph.constants]
assert any(np.any(array == -3) for array in constants), "no channel was turned round"
assert (8, 1, 3, 3) in {array.shape for array in constants}, "no PReLU was split"
picture = random.normal(size=(1, 1, 8, 8)).astype(np.float32)
ends = {"picture": [1, 1, 8, 8]}, {"result": [1, 4, 4, 4]}
results = [ReferenceEvaluator(onnx.load_from_string(g.finish("g", *ends))).run(None, {"picture": picture})[0]
           for g in (before, graph)]
largest = np.abs(results[0]).max()
difference = np.abs(results[0] - results[1]).max() / largest
print(largest > 1, "same" if difference < 1e-5 else difference)
"""


class Converters(Case):
    def run_program(self, program, data=b""):
        environment = Tools(CACHE).environment
        if not (environment / ".packages-complete").exists():
            print(f"SKIPPED {self.id()}: needs the converters' packages (made by `make models`)", file=sys.stderr)
            raise unittest.SkipTest("no environment")
        command = [environment / "bin" / "python", "-B", "-c", textwrap.dedent(program)]
        done = subprocess.run(command, cwd=SETUP, input=data, capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout.decode().strip()

    def test_a_small_openvino_network_gives_what_it_should(self):
        # Channel 0: 2x + 1 = 1, 3, -1, -3 -> 1, 3, -0.5, -1.5. Channel 1: -x = -4, -4, 4, 0 -> -2, -2, 4, 0.
        self.assertEqual(self.run_program(PROGRAM, NETWORK.encode()), "[[0.5, 0.0]]")

    def test_prelu_becomes_other_operators_without_changing_the_result(self):
        self.assertEqual(self.run_program(PRELU), "True same")
