"""Find the tensors of a ``.pth`` file, without running its pickle and without reading its weights.

torch.save writes a zip whose members are stored, not compressed: ``*/data.pkl`` names each tensor's storage, and
``*/data/<key>`` is that storage. https://pytorch.org/docs/stable/notes/serialization.html
"""

from __future__ import annotations

import io
import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.checkpoint.errors import PickleRefusedError
from include.checkpoint.files.safetensors_header import DTYPE_BYTES
from include.checkpoint.files.segments import PlacedTensor, Segment

_STORAGE_DTYPES = {
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "DoubleStorage": "F64",
    "LongStorage": "I64",
    "IntStorage": "I32",
}
_LOCAL_HEADER = struct.Struct("<26xHH")


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: str


@dataclass(frozen=True)
class _PickledTensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def pth_tensors(path: Path) -> list[PlacedTensor]:
    """The tensors of a ``.pth`` file in the order of their bytes; raises PickleRefusedError."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
            pickled = next(name for name in members if name.endswith("data.pkl"))
            state = _Unpickler(io.BytesIO(archive.read(pickled))).load()
    except (zipfile.BadZipFile, StopIteration) as error:
        raise PickleRefusedError(str(path), "torch's older format, which is not a zip") from error
    if not isinstance(state, dict):
        raise PickleRefusedError(str(path), type(state).__name__)
    root = pickled.removesuffix("data.pkl")
    tensors = [_locate(path, name, tensor, members, root) for name, tensor in state.items()]
    return sorted(tensors, key=lambda tensor: tensor.segments[0].offset)


def _locate(path: Path, name: str, tensor: Any, members: dict[str, zipfile.ZipInfo], root: str) -> PlacedTensor:
    if not isinstance(tensor, _PickledTensor):
        raise PickleRefusedError(str(path), f"{name}: {type(tensor).__name__}")
    info = members[f"{root}data/{tensor.storage.key}"]
    if info.compress_type != zipfile.ZIP_STORED or tensor.stride != _row_major(tensor.shape):
        raise PickleRefusedError(str(path), f"{name} is compressed or not stored row by row")
    width = DTYPE_BYTES[tensor.storage.dtype]
    start, length = tensor.offset * width, math.prod(tensor.shape) * width
    if start + length > info.file_size:
        raise PickleRefusedError(str(path), f"{name} ends after its storage")
    with path.open("rb") as file:
        file.seek(info.header_offset)
        name_length, extra_length = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    data = info.header_offset + _LOCAL_HEADER.size + name_length + extra_length
    segment = Segment(uri=str(path), offset=data + start, length=length)
    return PlacedTensor(name, tensor.storage.dtype, tensor.shape, (segment,))


def _row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


class _Unpickler(pickle.Unpickler):
    """Builds descriptions of tensors, and nothing else: any other name in the pickle is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) in (("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_parameter")):
            return _BUILDERS[name]
        if module == "torch" and name in _STORAGE_DTYPES:
            return _STORAGE_DTYPES[name]
        raise PickleRefusedError(f"{module}.{name}", "a name that weights do not need")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, *_ = pid
        if kind != "storage" or dtype not in _STORAGE_DTYPES.values():
            raise PickleRefusedError("pickle", f"{kind} {dtype}")
        return _Storage(str(key), dtype)


def _rebuild_tensor(storage: _Storage, offset: int, shape: Any, stride: Any, *_: Any) -> _PickledTensor:
    return _PickledTensor(storage, offset, tuple(shape), tuple(stride))


def _rebuild_parameter(tensor: _PickledTensor, *_: Any) -> _PickledTensor:
    return tensor


_BUILDERS: dict[str, Callable[..., _PickledTensor]] = {
    "_rebuild_tensor_v2": _rebuild_tensor,
    "_rebuild_parameter": _rebuild_parameter,
}
