"""Pointers as a type of Numba.

An array of Numba is seven words, and a function that is handed a dozen arrays spends its time, and the compiler's, on
them. A `Pointer` is one word, which reads and writes like an array of one dimension: nothing is checked.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.datamodel import models, register_default
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin


class Pointer(types.Type):
    """Address of numbers of one type."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"pointer to {dtype}")


@register_default(Pointer)
class _PointerModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Pointer) -> None:
        super().__init__(dmm, fe_type, ir.IntType(8).as_pointer())


def place_of(context: Any, builder: Any, kind: Any, given: Any, index: Any, index_kind: Any) -> Any:
    """Address of an element of a `Pointer` or of an array."""
    index = context.cast(builder, index, index_kind, types.intp)
    if isinstance(kind, Pointer):
        element = context.get_data_type(kind.dtype)
        return builder.gep(builder.bitcast(given, element.as_pointer()), [index], inbounds=True)
    array = context.make_array(kind)(context, builder, given)
    return builder.gep(array.data, [index], inbounds=True)


class _Get(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        del kws
        if len(args) == 2 and isinstance(args[0], Pointer) and isinstance(args[1], types.Integer):
            return signature(args[0].dtype, *args)
        return None


class _Set(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        del kws
        if len(args) == 3 and isinstance(args[0], Pointer) and isinstance(args[1], types.Integer):
            return signature(types.none, args[0], args[1], args[0].dtype)
        return None


infer_global(operator.getitem)(_Get)
infer_global(operator.setitem)(_Set)


@lower_builtin(operator.getitem, Pointer, types.Integer)
def _get(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.load(place_of(context, builder, sig.args[0], args[0], args[1], sig.args[1]))


@lower_builtin(operator.setitem, Pointer, types.Integer, types.Any)
def _set(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    builder.store(args[2], place_of(context, builder, sig.args[0], args[0], args[1], sig.args[1]))
    return context.get_dummy_value()


def _maker(dtype: Any) -> Callable[..., Any]:
    kind = Pointer(dtype)

    @intrinsic
    def at(typingctx: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            word = context.cast(builder, args[0], sig.args[0], types.intp)
            return builder.inttoptr(word, ir.IntType(8).as_pointer())

        return kind(address), generate

    made: Callable[..., Any] = at
    return made


float32_at = _maker(types.float32)
uint16_at = _maker(types.uint16)
uint32_at = _maker(types.uint32)
uint64_at = _maker(types.uint64)
int32_at = _maker(types.int32)
int64_at = _maker(types.int64)

MAKERS = {
    np.float32: "float32_at",
    np.uint16: "uint16_at",
    np.uint32: "uint32_at",
    np.uint64: "uint64_at",
    np.int32: "int32_at",
    np.int64: "int64_at",
}
"""Names of the functions that make a pointer of an address, by the type of the numbers."""
