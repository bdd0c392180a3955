"""Find the tensors of a ``.pth`` file, without running its pickle and without reading its weights."""

from __future__ import annotations

import io
import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from include.checkpoint.errors import PickleRefusedError
from include.checkpoint.files.safetensors_header import DTYPE_BYTES, MAX_DIMENSIONS
from include.checkpoint.files.segments import PlacedTensor, Segment
from include.checkpoint.files.torch_archive import TorchArchive, open_torch_archive

_STORAGE_DTYPES = {
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "DoubleStorage": "F64",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
}
_LOCAL_HEADER = struct.Struct("<26xHH")


class _Storage(NamedTuple):
    key: str
    dtype: str


class _PickledTensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class _StateDict(OrderedDict[str, Any]):
    """A state dictionary without torch's additional attributes."""

    def __init__(self) -> None:
        super().__init__()

    def __setstate__(self, state: Any) -> None: ...


def pth_tensors(path: Path) -> list[PlacedTensor]:
    """Return the tensors of a ``.pth`` file in the order of their bytes; raises PickleRefusedError."""
    archive = open_torch_archive(path)
    try:
        state = _Unpickler(io.BytesIO(archive.pickled)).load()
    except PickleRefusedError:
        raise
    except Exception as error:  # an unpickler raises errors of many kinds for what is not a pickle
        raise PickleRefusedError(str(path), f"a damaged pickle: {type(error).__name__}") from error
    if not isinstance(state, dict):
        raise PickleRefusedError(str(path), type(state).__name__)
    with path.open("rb") as file:
        tensors = [_locate(path, file, str(name), tensor, archive) for name, tensor in state.items()]
    return sorted(tensors, key=lambda tensor: tensor.segments[0].offset)


def _locate(path: Path, file: BinaryIO, name: str, tensor: Any, archive: TorchArchive) -> PlacedTensor:
    if not isinstance(tensor, _PickledTensor):
        raise PickleRefusedError(str(path), f"{name}: {type(tensor).__name__}")
    info = archive.members.get(f"{archive.root}data/{tensor.storage.key}")
    if info is None:
        raise PickleRefusedError(str(path), f"{name} without its storage {tensor.storage.key}")
    if tensor.stride != _row_major(tensor.shape):
        raise PickleRefusedError(str(path), f"{name} is not stored row by row")
    width = DTYPE_BYTES[tensor.storage.dtype]
    start, length = tensor.offset * width, math.prod(tensor.shape) * width
    if start + length > info.file_size:
        raise PickleRefusedError(str(path), f"{name} ends after its storage")
    segment = Segment(uri=str(path), offset=_data_offset(path, file, info) + start, length=length)
    return PlacedTensor(name, tensor.storage.dtype, tensor.shape, (segment,))


def _data_offset(path: Path, file: BinaryIO, info: zipfile.ZipInfo) -> int:
    """Return the offset of a member's bytes, after its local header."""
    try:
        file.seek(info.header_offset)
        name_length, extra_length = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    except (struct.error, ValueError, OSError) as error:
        raise PickleRefusedError(str(path), f"{info.filename} begins outside of the file") from error
    return info.header_offset + _LOCAL_HEADER.size + int(name_length) + int(extra_length)


def _row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


class _Unpickler(pickle.Unpickler):
    """Builds descriptions of tensors, and nothing else: any other name in the pickle is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return _StateDict
        if (module, name) in (("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_parameter")):
            return _BUILDERS[name]
        if module == "torch" and name in _STORAGE_DTYPES:
            return _STORAGE_DTYPES[name]
        raise PickleRefusedError(f"{module}.{name}", "a name that weights do not need")

    def persistent_load(self, pid: Any) -> _Storage:
        match pid:
            case ("storage", str(dtype), str(key), *_) if dtype in _STORAGE_DTYPES.values():
                return _Storage(key, dtype)
        raise PickleRefusedError("pickle", "a storage of no known kind")


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> _PickledTensor:
    if not (isinstance(storage, _Storage) and _are_counts([offset]) and _are_counts(shape) and _are_counts(stride)):
        raise PickleRefusedError("pickle", f"a tensor without at most {MAX_DIMENSIONS} sizes, strides and an offset")
    return _PickledTensor(storage, offset, tuple(shape), tuple(stride))


def _are_counts(values: Any) -> bool:
    return (
        isinstance(values, (list, tuple))
        and len(values) <= MAX_DIMENSIONS
        and all(type(value) is int and 0 <= value < 2**63 for value in values)
    )


def _rebuild_parameter(tensor: Any, *_: Any) -> _PickledTensor:
    if not isinstance(tensor, _PickledTensor):
        raise PickleRefusedError("pickle", f"a parameter of {type(tensor).__name__}")
    return tensor


_BUILDERS: dict[str, Callable[..., Any]] = {
    "_rebuild_tensor_v2": _rebuild_tensor,
    "_rebuild_parameter": _rebuild_parameter,
}
