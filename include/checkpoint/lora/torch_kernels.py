"""The operations of torch that a merge needs. Importing torch takes seconds, its library alone a third of one.

What is called is torch's C interface for compiled models (torch/csrc/inductor/aoti_torch/c/shim.h), so the bits are
torch's own. Where the library does not offer it, torch is imported.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from include.checkpoint.files.arrays import Array

_DTYPE_FUNCTIONS = {
    "F64": "aoti_torch_dtype_float64",
    "F32": "aoti_torch_dtype_float32",
    "F16": "aoti_torch_dtype_float16",
    "BF16": "aoti_torch_dtype_bfloat16",
}
# at::get_num_threads() and at::set_num_threads(int), which have no C form.
_GET_THREADS, _SET_THREADS = "_ZN2at15get_num_threadsEv", "_ZN2at15set_num_threadsEi"
_HANDLE, _INT64 = ctypes.c_void_p, ctypes.c_int64
_CPU = _BLOCKING = 0


class TorchKernels(Protocol):
    """What is needed of torch."""

    def multiply(self, left: Array, right: Array, out: Array) -> None:
        """``out = left @ right``, all of them float32 matrices."""
        ...

    def convert(self, source: Array, out: Array) -> None:
        """The float values of ``source`` in ``out``, rounded once to its dtype: to nearest, ties to even."""
        ...

    def threads(self) -> int:
        """Over how many threads one operation may be spread."""
        ...

    def set_threads(self, count: int) -> None:
        """Set it, for the process."""
        ...


def multiply(left: Array, right: Array, out: Array) -> None:
    """``out = left @ right`` as torch multiplies, all of them float32 matrices."""
    kernels().multiply(left, right, out)


def convert(source: Array, out: Array) -> None:
    """The float values of ``source`` in ``out``, rounded once to its dtype: to nearest, ties to even."""
    kernels().convert(source, out)


def converted(source: Array, dtype: str) -> Array:
    """The float values in another dtype; the same ones if it is theirs already."""
    if source.dtype == dtype:
        return source
    out = Array.empty(dtype, source.shape)
    convert(source, out)
    return out


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Torch computes in the calling thread; blocks are spread over threads of ours, which do not spin while waiting."""
    before = kernels().threads()
    kernels().set_threads(1)
    try:
        yield
    finally:
        kernels().set_threads(before)


@cache
def kernels() -> TorchKernels:
    """Torch's library by itself, or torch where that cannot be had."""
    try:
        return LibraryKernels()
    except (OSError, AttributeError):  # no such file, or a torch without one of these functions
        return ImportedKernels()


class LibraryKernels:
    """Torch's library, loaded by itself; raises OSError or AttributeError where it is another one than expected."""

    def __init__(self) -> None:
        found = find_spec("torch")
        library = ctypes.CDLL(str(Path(found.origin if found and found.origin else "").parent / "lib/libtorch_cpu.so"))
        self._dtypes = {name: int(library[function]()) for name, function in _DTYPE_FUNCTIONS.items()}
        sizes, dtype_and_device = ctypes.POINTER(_INT64), [ctypes.c_int32] * 3
        made = ctypes.POINTER(_HANDLE)
        self._tensor = library.aoti_torch_create_tensor_from_blob
        self._tensor.argtypes = [ctypes.c_void_p, _INT64, sizes, sizes, _INT64, *dtype_and_device, made]
        self._delete = library.aoti_torch_delete_tensor_object
        self._delete.argtypes = [_HANDLE]
        self._multiply = library.aoti_torch_cpu_mm_out
        self._multiply.argtypes = [_HANDLE] * 3
        self._copy = library.aoti_torch_copy_
        self._copy.argtypes = [_HANDLE, _HANDLE, ctypes.c_int32]
        self._get_threads, self._set_threads = library[_GET_THREADS], library[_SET_THREADS]

    def multiply(self, left: Array, right: Array, out: Array) -> None:
        self._call(self._multiply, (out, left, right))

    def convert(self, source: Array, out: Array) -> None:
        self._call(self._copy, (out, source), _BLOCKING)

    def threads(self) -> int:
        return int(self._get_threads())

    def set_threads(self, count: int) -> None:
        self._set_threads(count)

    def _call(self, function: Callable[..., int], arrays: tuple[Array, ...], *more: int) -> None:
        handles: list[ctypes.c_void_p] = []
        try:
            for array in arrays:
                handles.append(ctypes.c_void_p())
                self._describe(array, handles[-1])
            _succeed(function(*handles, *more))
        finally:
            for handle in handles:
                self._delete(handle)

    def _describe(self, array: Array, handle: ctypes.c_void_p) -> None:
        values = array.values
        per_axis = _INT64 * values.ndim
        strides = per_axis(*[stride // values.itemsize for stride in values.strides])
        sizes, dtype = per_axis(*values.shape), self._dtypes[array.dtype]
        _succeed(self._tensor(values.ctypes.data, values.ndim, sizes, strides, 0, dtype, _CPU, 0, handle))


class ImportedKernels:
    """Torch as everybody uses it."""

    def multiply(self, left: Array, right: Array, out: Array) -> None:
        import torch

        torch.mm(left.to_torch(), right.to_torch(), out=out.to_torch())

    def convert(self, source: Array, out: Array) -> None:
        out.to_torch().copy_(source.to_torch())

    def threads(self) -> int:
        import torch

        return torch.get_num_threads()

    def set_threads(self, count: int) -> None:
        import torch

        torch.set_num_threads(count)


def _succeed(error: int) -> None:
    if error:
        raise RuntimeError("torch failed; its reason is on standard error")
