"""Single instructions of the processor that neither Numba nor lanes have a name for."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import codegen, config
from numba.extending import intrinsic

from simulators.backends.native_simulator.kernels.lanes import LANES, WORDS
from simulators.backends.native_simulator.kernels.memory import place_of

_BIT, _WORD, _FLOAT = ir.IntType(1), ir.IntType(32), ir.FloatType()


@intrinsic
def permute(typingctx: Any, table: Any, places: Any) -> Any:
    """Look every lane up in a table of sixteen words; of `places` the lowest four bits count."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _permuted(builder, *args)

    return WORDS(WORDS, WORDS), generate


def _permuted(builder: Any, table: Any, places: Any) -> Any:
    features = config.CPU_FEATURES or codegen.get_host_cpu_features()  # Numba may be told to use fewer
    whole = ir.VectorType(_WORD, LANES)
    if "+avx512f" in features:
        function = _external(builder, "llvm.x86.avx512.permvar.si.512", whole, [whole, whole])
        return builder.call(function, [table, places])
    unset = ir.Constant(whole, ir.Undefined)
    if "+avx2" in features:
        half = ir.VectorType(_WORD, LANES // 2)
        function = _external(builder, "llvm.x86.avx2.permd", half, [half, half])

        def part(vector: Any, first: int) -> Any:
            order = ir.Constant(half, list(range(first, first + LANES // 2)))
            return builder.shuffle_vector(vector, unset, order)

        found = []
        for first in (0, LANES // 2):
            place = part(places, first)
            low, high = (builder.call(function, [part(table, k), place]) for k in (0, LANES // 2))
            eight = ir.Constant(half, [LANES // 2] * (LANES // 2))
            beyond = builder.icmp_unsigned("!=", builder.and_(place, eight), ir.Constant(half, [0] * (LANES // 2)))
            found.append(builder.select(beyond, high, low))
        return builder.shuffle_vector(*found, ir.Constant(whole, list(range(LANES))))
    result = unset
    for lane in range(LANES):
        index = ir.Constant(_WORD, lane)
        place = builder.and_(builder.extract_element(places, index), ir.Constant(_WORD, LANES - 1))
        result = builder.insert_element(result, builder.extract_element(table, place), index)
    return result


def _external(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    module = builder.module
    if name in module.globals:
        return module.globals[name]
    return ir.Function(module, ir.FunctionType(result, arguments), name)


@intrinsic
def prefetch(typingctx: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of an element, which is about to be read."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        place = builder.bitcast(place_of(context, builder, sig.args[0], args[0], args[1], sig.args[1]), byte)
        function = _external(builder, "llvm.prefetch.p0", ir.VoidType(), [byte, _WORD, _WORD, _WORD])
        builder.call(function, [place, *(ir.Constant(_WORD, value) for value in (0, 2, 1))])
        return context.get_dummy_value()

    return types.void(array, index), generate


@intrinsic
def float_of_bits(typingctx: Any, bits: Any) -> Any:
    """Read the bits of a 32-bit integer as a float."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(context.cast(builder, args[0], sig.args[0], types.uint32), _FLOAT)

    return types.float32(bits), generate


@intrinsic
def bits_of_float(typingctx: Any, value: Any) -> Any:
    """Bits of a single-precision number."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(context.cast(builder, args[0], sig.args[0], types.float32), _WORD)

    return types.uint32(value), generate


@intrinsic
def lowest_bit(typingctx: Any, bits: Any) -> Any:
    """Place of the lowest bit that is set in a 64-bit word other than 0."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(_BIT, 1))

    return types.uint64(types.uint64), generate


@intrinsic
def bit_count(typingctx: Any, bits: Any) -> Any:
    """Number of bits that are set in a 64-bit word."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), generate


_FLUSH = 0x8040  # MXCSR: results and operands too small for a normal number are zero


@intrinsic
def flush_denormals(typingctx: Any) -> Any:
    """Take numbers too small for full precision for zero from here on; return the mode to go back to.

    The currents of a silent network decay to such numbers, which processors handle many times slower. Only where the
    processor is an x86.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if not _is_x86(builder):
            return ir.Constant(_WORD, 0)
        slot = _mode_slot(builder, "llvm.x86.sse.stmxcsr", None)
        mode = builder.load(slot)
        _mode_slot(builder, "llvm.x86.sse.ldmxcsr", builder.or_(mode, ir.Constant(_WORD, _FLUSH)))
        return mode

    return types.uint32(), generate


@intrinsic
def restore_mode(typingctx: Any, mode: Any) -> Any:
    """Go back to the mode that `flush_denormals` found."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if _is_x86(builder):
            _mode_slot(builder, "llvm.x86.sse.ldmxcsr", args[0])
        return context.get_dummy_value()

    return types.void(types.uint32), generate


def _is_x86(builder: Any) -> bool:
    return str(builder.module.triple).startswith(("x86_64", "i686", "amd64"))


def _mode_slot(builder: Any, name: str, value: Any) -> Any:
    byte = ir.IntType(8).as_pointer()
    slot = builder.alloca(_WORD)
    if value is not None:
        builder.store(value, slot)
    builder.call(_external(builder, name, ir.VoidType(), [byte]), [builder.bitcast(slot, byte)])
    return slot
