"""Pointers as a type of Numba, and tables of them.

An array of Numba is seven words, and a function that is handed a dozen arrays spends its time, and the compiler's, on
them. A `Pointer` is one word, which reads and writes like an array of one dimension: nothing is checked. A `View` is
one word, too: the address of words with names, each a number or an address.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.datamodel import models, register_default
from numba.core.imputils import lower_getattr_generic
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_getattr, infer_global, signature
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

_KINDS = {np.dtype(str(kind)).type: Pointer(kind) for kind in (
    types.float32, types.uint16, types.uint32, types.uint64, types.int32, types.int64,
)}  # fmt: skip


class View(types.Type):
    """Address of words, each the value of a name: an int64, or the address of numbers of one type."""

    def __init__(self, name: str, fields: Mapping[str, Any]) -> None:
        self.kinds = {field: types.int64 if dtype is None else _KINDS[dtype] for field, dtype in fields.items()}
        self.places = {field: place for place, field in enumerate(fields)}
        super().__init__(name=f"view of {name}")  # it stands in the name of every function that takes one


@register_default(View)
class _ViewModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: View) -> None:
        super().__init__(dmm, fe_type, ir.IntType(64).as_pointer())


@infer_getattr
class _Fields(AttributeTemplate):
    key = View

    def generic_resolve(self, typ: View, attr: str) -> Any:
        return typ.kinds.get(attr)


@lower_getattr_generic(View)
def _field(context: Any, builder: Any, typ: View, value: Any, attr: str) -> Any:
    word = builder.load(builder.gep(value, [ir.IntType(64)(typ.places[attr])], inbounds=True))
    word.set_metadata("invariant.load", builder.module.add_metadata([]))  # no view changes while code runs
    return builder.inttoptr(word, ir.IntType(8).as_pointer()) if isinstance(typ.kinds[attr], Pointer) else word


def view_maker(name: str, first: int, fields: Mapping[str, Any]) -> Callable[..., Any]:
    """Return a function that makes a view of an array of int64.

    Parameters
    ----------
    name : str
        Of the view's type.
    first : int
        Index of its first word.
    fields : mapping of str to type or None
        By name the NumPy type of the numbers that a word is the address of, None for a number, in order.
    """
    kind = View(name, fields)

    @intrinsic
    def view(typingctx: Any, table: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            array = context.make_array(sig.args[0])(context, builder, args[0])
            return builder.gep(array.data, [ir.IntType(64)(first)], inbounds=True)

        return kind(table), generate

    made: Callable[..., Any] = view
    return made
