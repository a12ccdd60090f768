"""Vectors of sixteen lanes as types of Numba, so that a loop is vector code by construction.

Numba leaves it to the compiler to find vector instructions, and a neuron model with more arrays than the compiler
compares would silently fall back to one neuron at a time. Here a variable holds sixteen neighbouring neurons:
`FLOATS` of single precision, `WORDS` of 32 unsigned bits, and `MASK`, one bit each, which in memory is a 16-bit word.
Arithmetic is written as for numbers. Processors with shorter vectors take several instructions and give the same
bits: nothing is contracted or reordered.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core.datamodel import models, register_default
from numba.core.imputils import lower_cast
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin

from simulators.backends.native_simulator.kernels.memory import place_of
from simulators.backends.native_simulator.kernels.parts import part

LANES = 16
single = types.float32
"""Converts a number: what Numba makes of a literal is of double precision."""

_BIT, _HALF, _WORD, _FLOAT = ir.IntType(1), ir.IntType(16), ir.IntType(32), ir.FloatType()
_ALIGNMENT = 64  # B, of all arrays that lanes are loaded from


class _Lanes(types.Type):
    def __init__(self, name: str, element: ir.Type) -> None:
        self.element = element
        super().__init__(name=name)


class _Floats(_Lanes):
    pass


class _Words(_Lanes):
    pass


class _Mask(_Lanes):
    pass


FLOATS = _Floats("floats16", _FLOAT)
WORDS = _Words("words16", _WORD)
MASK = _Mask("mask16", _BIT)
_OF_ARRAY = {types.float32: FLOATS, types.uint32: WORDS}


class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: _Lanes) -> None:
        super().__init__(dmm, fe_type, ir.VectorType(fe_type.element, LANES))


for _kind in (_Floats, _Words, _Mask):
    register_default(_kind)(_LanesModel)


def _spread(builder: Any, value: Any) -> Any:
    vector = ir.VectorType(value.type, LANES)
    unset = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(unset, value, ir.Constant(_WORD, 0))
    return builder.shuffle_vector(first, unset, ir.Constant(ir.VectorType(_WORD, LANES), [0] * LANES))


@lower_cast(types.Float, _Floats)
@lower_cast(types.Integer, _Floats)
def _number_to_floats(context: Any, builder: Any, given: Any, _: Any, value: Any) -> Any:
    return _spread(builder, context.cast(builder, value, given, types.float32))


@lower_cast(types.Integer, _Words)
def _number_to_words(context: Any, builder: Any, given: Any, _: Any, value: Any) -> Any:
    return _spread(builder, context.cast(builder, value, given, types.uint32))


def _arithmetic(kind: type, scalars: Any, operations: dict[Any, str], result: _Lanes | None = None) -> None:
    """Give lanes operators, among themselves and with numbers."""
    for operation, name in operations.items():

        class Template(AbstractTemplate):
            def generic(self, args: Any, kws: Any) -> Any:
                del kws
                lanes = [argument for argument in args if isinstance(argument, kind)]
                if len(args) == 2 and lanes and all(isinstance(argument, (kind, scalars)) for argument in args):
                    return signature(result or lanes[0], lanes[0], lanes[0])
                return None

        infer_global(operation)(Template)
        lower_builtin(operation, kind, kind)(_lowered(name))


def _lowered(name: str) -> Callable[..., Any]:
    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        del context, sig
        method, _, argument = name.partition(" ")
        return getattr(builder, method)(argument, *args) if argument else getattr(builder, method)(*args)

    return lower


_ORDER = {operator.lt: "<", operator.le: "<=", operator.gt: ">", operator.ge: ">="}
_NUMBERS = (types.Integer, types.Float)
_arithmetic(
    _Floats,
    _NUMBERS,
    {operator.add: "fadd", operator.sub: "fsub", operator.mul: "fmul", operator.truediv: "fdiv"},
)
_arithmetic(_Floats, _NUMBERS, {key: f"fcmp_ordered {sign}" for key, sign in _ORDER.items()}, MASK)
_arithmetic(
    _Words,
    (types.Integer,),
    {
        operator.add: "add",
        operator.sub: "sub",
        operator.mul: "mul",
        operator.and_: "and_",
        operator.or_: "or_",
        operator.xor: "xor",
        operator.lshift: "shl",
        operator.rshift: "lshr",
    },
)
_arithmetic(_Words, (types.Integer,), {key: f"icmp_unsigned {sign}" for key, sign in _ORDER.items()}, MASK)


class _Negated(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        del kws
        return signature(FLOATS, FLOATS) if len(args) == 1 and isinstance(args[0], _Floats) else None


for _operation in (operator.neg, operator.pos):
    infer_global(_operation)(_Negated)
lower_builtin(operator.neg, _Floats)(lambda context, builder, sig, args: builder.fneg(*args))
lower_builtin(operator.pos, _Floats)(lambda context, builder, sig, args: args[0])


def _address(context: Any, builder: Any, sig: Any, args: Any, element: ir.Type) -> Any:
    place = place_of(context, builder, sig.args[0], args[0], args[1], sig.args[1])
    return builder.bitcast(place, element.as_pointer())


@intrinsic
def load(typingctx: Any, array: Any, index: Any) -> Any:
    """Sixteen elements of a float32 or uint32 array, from an index that is a multiple of sixteen."""
    kind = _OF_ARRAY[array.dtype]

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = builder.load(_address(context, builder, sig, args, ir.VectorType(kind.element, LANES)))
        vector.align = _ALIGNMENT
        return vector

    return kind(array, index), generate


@intrinsic
def store(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    """Write sixteen elements of a float32 or uint32 array."""
    kind = _OF_ARRAY[array.dtype]

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        stored = builder.store(args[2], _address(context, builder, sig, args, ir.VectorType(kind.element, LANES)))
        stored.align = _ALIGNMENT
        return context.get_dummy_value()

    return types.void(array, index, kind), generate


@intrinsic
def load_mask(typingctx: Any, array: Any, index: Any) -> Any:
    """Mask from an element of a uint16 array."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.load(_address(context, builder, sig, args, _HALF))
        return builder.bitcast(bits, ir.VectorType(_BIT, LANES))

    return MASK(array, index), generate


@intrinsic
def store_mask(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    """Write a mask to an element of a uint16 array."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(builder.bitcast(args[2], _HALF), _address(context, builder, sig, args, _HALF))
        return context.get_dummy_value()

    return types.void(array, index, MASK), generate


@intrinsic
def mask_of(typingctx: Any, bits: Any) -> Any:
    """Mask from a 16-bit word."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        word = context.cast(builder, args[0], sig.args[0], types.uint16)
        return builder.bitcast(word, ir.VectorType(_BIT, LANES))

    return MASK(bits), generate


@intrinsic
def floats(typingctx: Any, value: Any) -> Any:
    """Spread a number over lanes; lanes stay."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return args[0]

    return FLOATS(FLOATS), generate


@intrinsic
def words(typingctx: Any, value: Any) -> Any:
    """Spread an integer over lanes; lanes stay."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return args[0]

    return WORDS(WORDS), generate


@intrinsic
def lane_numbers(typingctx: Any) -> Any:
    """Words 0 to 15."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return ir.Constant(ir.VectorType(_WORD, LANES), list(range(LANES)))

    return WORDS(), generate


@intrinsic
def where(typingctx: Any, mask: Any, yes: Any, no: Any) -> Any:
    """Lanes of `yes` where the mask is set, else of `no`."""
    kind = WORDS if isinstance(yes, (_Words, types.Integer)) and isinstance(no, (_Words, types.Integer)) else FLOATS

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(*args)

    return kind(MASK, kind, kind), generate


@intrinsic
def as_floats(typingctx: Any, value: Any) -> Any:
    """Convert small whole numbers (below 2³¹)."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.sitofp(args[0], ir.VectorType(_FLOAT, LANES))

    return FLOATS(WORDS), generate


@intrinsic
def bits_as_floats(typingctx: Any, value: Any) -> Any:
    """Read the bits of words as floats."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.VectorType(_FLOAT, LANES))

    return FLOATS(WORDS), generate


@intrinsic
def bits_as_words(typingctx: Any, value: Any) -> Any:
    """Read the bits of floats as words."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.VectorType(_WORD, LANES))

    return WORDS(FLOATS), generate


@njit(inline="always")
def minimum(a, b):
    """Smaller of two, lane by lane."""
    return where(floats(a) < floats(b), floats(a), floats(b))


@njit(inline="always")
def maximum(a, b):
    """Larger of two, lane by lane."""
    return where(floats(a) > floats(b), floats(a), floats(b))


@part
def exponential(given):
    """Natural exponential, within 2 units in the last place; 0 below -87.3, the largest number above 88.

    The polynomial of Cephes (Moshier 1992) after taking out powers of two: plain arithmetic, so that every processor
    gives the same bits.
    """
    x = minimum(maximum(given, single(-87.3)), single(88.0))
    shifted = x * single(1.44269504088896341) + single(12582912.0)  # 1.5·2²³ leaves the nearest whole number
    whole = shifted - single(12582912.0)
    rest = x - whole * single(0.693359375) - whole * single(-2.12194440e-4)
    series = floats(single(1.9875691500e-4))
    series = series * rest + single(1.3981999507e-3)
    series = series * rest + single(8.3334519073e-3)
    series = series * rest + single(4.1665795894e-2)
    series = series * rest + single(1.6666665459e-1)
    series = series * rest + single(5.0000001201e-1)
    series = series * (rest * rest) + rest + single(1.0)
    power = (bits_as_words(shifted) + 127) << 23
    result = series * bits_as_floats(power)
    return where(floats(given) < single(-87.3), floats(single(0.0)), result)
