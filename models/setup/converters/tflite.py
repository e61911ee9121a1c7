"""TFLite -> ONNX for the three networks of MediaPipe's face landmarker, without TensorFlow.

The ONNX graphs keep TFLite's interface: the same NHWC input, the same shapes of the outputs; but the first dimension,
which is 1 there, is left open, so that several inputs can go through at once. Inside, convolutions and what lies between
them run in ONNX's NCHW; a tensor is transposed only where the two meet.
"""

import math

import numpy as np
import tflite

from converters import prelu
from converters.graph import Graph

OPERATOR_NAMES = {code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)}
DTYPES = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
}
# The networks are told apart by their outputs' number of elements. Names of the graph, its input and its outputs:
INTERFACES = {
    (896 * 16, 896): ("face_detector", "input", ["regressors", "classificators"]),
    (478 * 3, 1, 1): ("face_landmarks_detector", "input", ["landmarks", "presence_logit", "tongue_out"]),
    (52,): ("face_blendshapes", "points", ["blendshapes"]),
}
# The name of the dimension that is left open, and what stands for all of it in a slice.
BATCH, TO_THE_END = "batch", np.iinfo(np.int64).max
NHWC_TO_NCHW, NCHW_TO_NHWC = [0, 3, 1, 2], [0, 2, 3, 1]


def convert(inputs):
    """The bytes of a .tflite file -> the bytes of an .onnx file."""
    (data,) = inputs
    return Converter(data).run()


class Converter:
    """Walks the operators of a TFLite graph. A tensor, known by its index, has a name in either or both layouts."""

    def __init__(self, data):
        self.model = tflite.Model.GetRootAsModel(data, 0)
        assert self.model.SubgraphsLength() == 1, "one graph per file"
        self.source = self.model.Subgraphs(0)
        self.graph = Graph(share_constants=True)
        self.values = {}  # tensor index -> array, of constants
        self.nhwc = {}  # tensor index -> name in TFLite's layout
        self.nchw = {}  # tensor index -> name in ONNX's layout

    def run(self):
        sources, results = ([int(i) for i in side] for side in self.ends())
        name, source_name, result_names = INTERFACES[tuple(math.prod(self.shape(t)) for t in results)]
        (source,) = sources
        self.nhwc[source] = source_name
        for i in range(self.source.OperatorsLength()):
            operator = self.source.Operators(i)
            code = self.model.OperatorCodes(operator.OpcodeIndex())
            code = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
            method = getattr(self, OPERATOR_NAMES[code].lower(), None)
            if method is None:
                raise NotImplementedError(f"TFLite operator {OPERATOR_NAMES[code]}")
            inputs, outputs = ([int(t) for t in side] for side in (operator.InputsAsNumpy(), operator.OutputsAsNumpy()))
            method(operator, inputs, outputs[0])
        for tensor, result_name in zip(results, result_names, strict=True):
            self.graph.output("Identity", [self.as_nhwc(tensor)], result_name, node_name=f"out_{result_name}")
        prelu.expand(self.graph)
        self.graph.drop_unused(result_names)
        return self.graph.finish(
            name,
            {source_name: self.open_shape(source)},
            {result_name: self.open_shape(t) for t, result_name in zip(results, result_names)},
            producer_name="tflite-direct",
            producer_version="1",
        )

    # ---- tensors ------------------------------------------------------------------------------------------

    def ends(self):
        return self.source.InputsAsNumpy(), self.source.OutputsAsNumpy()

    def shape(self, tensor):
        tensor = self.source.Tensors(tensor)
        return [int(size) for size in tensor.ShapeAsNumpy()] if tensor.ShapeLength() else []

    def open_shape(self, tensor):
        """With the batch left open. The blendshapes' result has lost its dimension in TFLite; here it keeps it."""
        shape = self.shape(tensor)
        return [BATCH, *(shape if len(shape) == 1 else shape[1:])]

    def value(self, tensor):
        """The array of a constant tensor, None for the others."""
        if tensor not in self.values:
            entry = self.source.Tensors(tensor)
            buffer = self.model.Buffers(entry.Buffer())
            if buffer.DataLength() == 0:
                return None
            data = np.frombuffer(buffer.DataAsNumpy().tobytes(), dtype=DTYPES[entry.Type()])
            self.values[tensor] = data.reshape(self.shape(tensor))
        return self.values[tensor]

    def single(self, tensor):
        """The array of a constant tensor in the precision in which the graph computes."""
        value = self.value(tensor)
        return value.astype(np.float32) if value is not None and value.dtype == np.float16 else value

    def as_nhwc(self, tensor):
        if tensor in self.nhwc:
            return self.nhwc[tensor]
        if tensor in self.nchw:
            name = self.graph.node("Transpose", [self.nchw[tensor]], "to_nhwc", perm=NCHW_TO_NHWC)
            self.nhwc[tensor] = name
            return name
        return self.graph.constant(self.single(tensor))

    def as_nchw(self, tensor):
        if tensor in self.nchw:
            return self.nchw[tensor]
        value = self.single(tensor)
        if value is not None:
            value = value.reshape([1] * (4 - value.ndim) + list(value.shape))
            return self.graph.constant(value.transpose(NHWC_TO_NCHW))
        name = self.graph.node("Transpose", [self.as_nhwc(tensor)], "to_nchw", perm=NHWC_TO_NCHW)
        self.nchw[tensor] = name
        return name

    def only_nchw(self, tensor):
        return tensor in self.nchw and tensor not in self.nhwc

    # ---- convolution and pooling: NCHW ----------------------------------------------------------------------

    @staticmethod
    def options(operator, kind):
        table, options = operator.BuiltinOptions(), kind()
        options.Init(table.Bytes, table.Pos)
        return options

    def activated(self, name, options):
        kinds = tflite.ActivationFunctionType
        kind = options.FusedActivationFunction()
        if kind == kinds.NONE:
            return name
        if kind == kinds.RELU:
            return self.graph.node("Relu", [name])
        raise NotImplementedError(f"TFLite activation {kind}")

    @staticmethod
    def padding(options, shape, kernel, strides):
        """ONNX's pads (top, left, bottom, right) for TFLite's SAME or VALID. Dilation is 1 in all three networks."""
        if options.Padding() == tflite.Padding.VALID:
            return [0, 0, 0, 0]
        sides = []
        for size, extent, stride in zip(shape[1:3], kernel, strides):
            total = max((math.ceil(size / stride) - 1) * stride + extent - size, 0)
            sides.append((total // 2, total - total // 2))
        (top, bottom), (left, right) = sides
        return [top, left, bottom, right]

    def convolution(self, options, inputs, output, depthwise):
        weights, shape = self.value(inputs[1]), self.shape(inputs[0])
        kernel, strides = list(weights.shape[1:3]), [options.StrideH(), options.StrideW()]
        dilations = [options.DilationHFactor(), options.DilationWFactor()]
        assert dilations == [1, 1], "dilation is not handled in padding()"
        # TFLite has (1, h, w, channels) for depthwise, else (out, h, w, in).
        weights = weights.transpose(3, 0, 1, 2) if depthwise else weights.transpose(0, 3, 1, 2)
        operands = [self.as_nchw(inputs[0]), self.graph.constant(weights, "w")]
        if len(inputs) > 2 and inputs[2] >= 0:
            operands.append(self.graph.constant(self.value(inputs[2]), "b"))
        result = self.graph.node(
            "Conv",
            operands,
            kernel_shape=kernel,
            strides=strides,
            dilations=dilations,
            group=shape[3] if depthwise else 1,
            pads=self.padding(options, shape, kernel, strides),
        )
        self.nchw[output] = self.activated(result, options)

    def conv_2d(self, operator, inputs, output):
        self.convolution(self.options(operator, tflite.Conv2DOptions), inputs, output, depthwise=False)

    def depthwise_conv_2d(self, operator, inputs, output):
        self.convolution(self.options(operator, tflite.DepthwiseConv2DOptions), inputs, output, depthwise=True)

    def max_pool_2d(self, operator, inputs, output):
        options = self.options(operator, tflite.Pool2DOptions)
        kernel = [options.FilterHeight(), options.FilterWidth()]
        strides = [options.StrideH(), options.StrideW()]
        pads = self.padding(options, self.shape(inputs[0]), kernel, strides)
        operand = self.as_nchw(inputs[0])
        result = self.graph.node("MaxPool", [operand], kernel_shape=kernel, strides=strides, pads=pads)
        self.nchw[output] = self.activated(result, options)

    def prelu(self, _operator, inputs, output):
        slope = self.value(inputs[1])
        assert slope.size == slope.shape[-1], "one slope per channel"
        slopes = self.graph.constant(slope.astype(np.float32).reshape(-1, 1, 1), "slope")
        self.nchw[output] = self.graph.node("PRelu", [self.as_nchw(inputs[0]), slopes])

    # ---- element by element: in whichever layout the operands are -------------------------------------------

    def unary(self, name, inputs, output):
        if self.only_nchw(inputs[0]):
            self.nchw[output] = self.graph.node(name, [self.as_nchw(inputs[0])])
        else:
            self.nhwc[output] = self.graph.node(name, [self.as_nhwc(inputs[0])])

    def relu(self, _operator, inputs, output):
        self.unary("Relu", inputs, output)

    def logistic(self, _operator, inputs, output):
        self.unary("Sigmoid", inputs, output)

    def neg(self, _operator, inputs, output):
        self.unary("Neg", inputs, output)

    def sqrt(self, _operator, inputs, output):
        self.unary("Sqrt", inputs, output)

    def rsqrt(self, _operator, inputs, output):
        root = self.graph.node("Sqrt", [self.as_nhwc(inputs[0])])
        self.nhwc[output] = self.graph.node("Reciprocal", [root])

    def binary(self, name, inputs, output, options):
        fits = [
            self.value(t) is not None or (len(self.shape(t)) == 4 and self.only_nchw(t)) for t in inputs
        ]
        if all(fits) and any(self.only_nchw(t) for t in inputs):
            operands = [self.as_nchw(t) for t in inputs]
            self.nchw[output] = self.activated(self.graph.node(name, operands), options)
        else:
            operands = [self.as_nhwc(t) for t in inputs]
            self.nhwc[output] = self.activated(self.graph.node(name, operands), options)

    def add(self, operator, inputs, output):
        self.binary("Add", inputs, output, self.options(operator, tflite.AddOptions))

    def sub(self, operator, inputs, output):
        self.binary("Sub", inputs, output, self.options(operator, tflite.SubOptions))

    def mul(self, operator, inputs, output):
        self.binary("Mul", inputs, output, self.options(operator, tflite.MulOptions))

    def div(self, operator, inputs, output):
        self.binary("Div", inputs, output, self.options(operator, tflite.DivOptions))

    def squared_difference(self, _operator, inputs, output):
        difference = self.graph.node("Sub", [self.as_nhwc(t) for t in inputs])
        self.nhwc[output] = self.graph.node("Mul", [difference, difference])

    # ---- shapes and sums: TFLite's layout -------------------------------------------------------------------

    def dequantize(self, _operator, inputs, output):
        assert self.value(inputs[0]).dtype == np.float16, "only float16 weights are dequantised"
        self.values[output] = self.single(inputs[0])

    def pad(self, _operator, inputs, output):
        amounts = self.value(inputs[1]).astype(np.int64)
        if len(self.shape(inputs[0])) == 4 and self.only_nchw(inputs[0]):
            amounts, operand, names = amounts[NHWC_TO_NCHW], self.as_nchw(inputs[0]), self.nchw
        else:
            operand, names = self.as_nhwc(inputs[0]), self.nhwc
        amounts, zero = self.graph.constant(amounts.T.reshape(-1)), self.graph.constant(np.float32(0))
        names[output] = self.graph.node("Pad", [operand, amounts, zero])

    def concatenation(self, operator, inputs, output):
        options = self.options(operator, tflite.ConcatenationOptions)
        if any(self.value(t) is not None for t in inputs):
            result = self.put_before(*inputs, options.Axis())
        else:
            result = self.graph.node("Concat", [self.as_nhwc(t) for t in inputs], axis=options.Axis())
        self.nhwc[output] = self.activated(result, options)

    def put_before(self, constant, tensor, axis):
        """A constant in front of every element of the batch: room for it is made with zeros, and it is added."""
        constant, shape = self.single(constant), self.shape(tensor)
        amounts = np.zeros((2, len(shape)), np.int64)
        amounts[0, axis] = constant.shape[axis]
        zero = self.graph.constant(np.float32(0))
        room = self.graph.node("Pad", [self.as_nhwc(tensor), self.graph.constant(amounts.reshape(-1)), zero])
        shape[axis] = shape[axis] + constant.shape[axis]
        before = np.zeros(shape, np.float32)
        before[tuple(slice(0, size) for size in constant.shape)] = constant
        return self.graph.node("Add", [room, self.graph.constant(before)])

    def reshape(self, _operator, inputs, output):
        assert self.shape(inputs[0])[0] == self.shape(output)[0] == 1, "the batch stays in front"
        operand = self.as_nhwc(inputs[0])
        shape = self.graph.constant(np.array([-1, *self.shape(output)[1:]], np.int64))
        self.nhwc[output] = self.graph.node("Reshape", [operand, shape])

    def transpose(self, _operator, inputs, output):
        order = [int(axis) for axis in self.value(inputs[1])]
        self.nhwc[output] = self.graph.node("Transpose", [self.as_nhwc(inputs[0])], perm=order)

    def axes(self, inputs):
        return [int(axis) for axis in np.atleast_1d(self.value(inputs[1]))]

    def mean(self, operator, inputs, output):
        keep = int(self.options(operator, tflite.ReducerOptions).KeepDims())
        operand = self.as_nhwc(inputs[0])
        self.nhwc[output] = self.graph.node("ReduceMean", [operand], axes=self.axes(inputs), keepdims=keep)

    def sum(self, operator, inputs, output):
        keep = int(self.options(operator, tflite.ReducerOptions).KeepDims())
        operand, axes = self.as_nhwc(inputs[0]), self.graph.constant(np.array(self.axes(inputs), np.int64))
        self.nhwc[output] = self.graph.node("ReduceSum", [operand, axes], keepdims=keep)

    def strided_slice(self, operator, inputs, output):
        options = self.options(operator, tflite.StridedSliceOptions)
        assert options.EllipsisMask() == 0 and options.NewAxisMask() == 0, "plain slices only"
        shape = self.shape(inputs[0])
        begin, end, step = (self.value(t).astype(np.int64) for t in inputs[1:4])
        dropped = [axis for axis in range(len(begin)) if options.ShrinkAxisMask() >> axis & 1]
        for axis in range(len(begin)):
            if options.BeginMask() >> axis & 1:
                begin[axis] = 0
            if options.EndMask() >> axis & 1:
                end[axis] = shape[axis]
            if axis in dropped:
                end[axis] = begin[axis] + 1 if begin[axis] != -1 else shape[axis]
        assert (begin[0], end[0], step[0]) == (0, 1, 1), "the whole batch"
        end[0] = TO_THE_END
        dropped = [axis for axis in dropped if axis != 0]
        limits = [self.graph.constant(array) for array in (begin, end, np.arange(len(begin), dtype=np.int64), step)]
        result = self.graph.node("Slice", [self.as_nhwc(inputs[0]), *limits])
        if dropped:
            result = self.graph.node("Squeeze", [result, self.graph.constant(np.array(dropped, np.int64))])
        self.nhwc[output] = result
