"""Files by torch.save: read as torch reads them, and refused within bounds where they are not weights."""

from __future__ import annotations

import io
import pickle
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from include.checkpoint.errors import PickleRefusedError
from include.checkpoint.files.torch_archive import MAX_PICKLE_BYTES
from include.checkpoint.files.torch_zip import pth_tensors
from include.checkpoint.lora.adapter import PICKLED_WEIGHTS, read_adapter
from include.checkpoint.lora.errors import AdapterUnreadableError
from include.errors import ModelImportError
from tests.support.tiny_models import make_model


def _zip(path: Path, pickled: bytes, compression: int = zipfile.ZIP_STORED, storage: bytes = bytes(64)) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/data/0", storage)
    return path


def _tensor(shape: bytes, key: bytes = b"0") -> bytes:
    """The pickle of one tensor; the shape, which is its stride too, is given as opcodes."""
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x00" + key + b"X\x03\x00\x00\x00cpuK\x10tQ"
    arguments = b"(" + storage + b"K\x00" + shape + shape + b"\x89)t"
    return b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"Rs."


def _doubled_tuples(depth: int) -> bytes:
    """A tuple of two tuples of two tuples..., used as a key: its hash takes 2 ** depth steps."""
    twice = b"".join(b"h%ch%c\x86q%c" % (level, level, level + 1) for level in range(depth))
    return b"\x80\x02}K\x01K\x02\x86q\x00" + twice + b"K\x00s."


HOSTILE: dict[str, bytes] = {
    "a shape of 20,000 numbers": _tensor(b"(" + b"K\x01" * 20_000 + b"t"),
    "a shape of texts": _tensor(b"X\x01\x00\x00\x00a\x85"),
    "a negative shape": _tensor(b"J\xff\xff\xff\xff\x85"),
    "a tensor larger than its storage": _tensor(b"M\xe8\x03\x85"),
    "a tensor without a storage": _tensor(b"K\x01\x85", key=b"7"),
    "a memo of four milliards of entries": b"\x80\x02}r\xff\xff\xff\x7f.",
    "an array of four gigabytes": b"\x80\x05\x96" + (2**32).to_bytes(8, "little") + b".",
    "tuples that double": _doubled_tuples(60),
    "a parameter that is a tuple": b"\x80\x02ctorch._utils\n_rebuild_parameter\nK\x01\x85\x85R.",
    "a list that is copied": b"\x80\x02ccollections\nOrderedDict\n]\x85R.",
    "no dictionary": pickle.dumps([1], 2),
    "an entry that is no tensor": pickle.dumps({"a": 1}, 2),
    "a storage that is no tuple": b"\x80\x02}X\x01\x00\x00\x00aK\x01Qs.",
    "an end too early": b"\x80\x02}X\x01\x00",
    "an empty stack": b"\x80\x02R.",
    "nothing": b"",
}


@pytest.mark.parametrize("pickled", HOSTILE.values(), ids=HOSTILE)
def test_a_pickle_that_is_no_set_of_weights_is_refused_at_once(pickled: bytes, tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(PickleRefusedError):
        pth_tensors(_zip(tmp_path / "consolidated.00.pth", pickled))
    assert time.monotonic() - started < 2


def _inflated(path: Path) -> Path:
    return _zip(path, bytes(40 * 2**20), zipfile.ZIP_DEFLATED)


def _large(path: Path) -> Path:
    return _zip(path, bytes(MAX_PICKLE_BYTES + 1))


def _many_members(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
        name = "n" * 65_000
        for number in range(200):
            archive.writestr(f"{name}{number}", b"")
    return path


@pytest.mark.parametrize("write", [_inflated, _large, _many_members])
def test_nothing_large_is_unpacked_before_it_is_refused(write: Callable[[Path], Path], tmp_path: Path) -> None:
    path = write(tmp_path / "consolidated.00.pth")
    tracemalloc.start()
    try:
        with pytest.raises(PickleRefusedError):
            pth_tensors(path)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_a_damaged_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "consolidated.00.pth"
    torch.save({"w": torch.ones(3)}, path)
    whole = path.read_bytes()
    refused = 0
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            pth_tensors(path)
        except PickleRefusedError:
            refused += 1
    assert refused > 20


@pytest.mark.parametrize("width", [1, 8])
def test_a_zip_with_a_wrong_end_is_refused_or_read(width: int, adapter_dir: Path, tmp_path: Path) -> None:
    """The end says where the directory is: on which disk, and in 64 bits at which offset."""
    (tmp_path / "adapter_config.json").write_bytes((adapter_dir / "adapter_config.json").read_bytes())
    path = tmp_path / PICKLED_WEIGHTS
    torch.save({"w": torch.ones(3)}, path)
    whole = path.read_bytes()
    refused = 0
    for at in range(whole.index(b"PK\x06\x06"), len(whole) - width):
        path.write_bytes(whole[:at] + b"\xff" * width + whole[at + width :])
        for read, refusal in ((pth_tensors, PickleRefusedError), (lambda _: read_adapter(tmp_path), ModelImportError)):
            try:
                read(path)
            except refusal:
                refused += 1
    assert refused > 20


def test_a_state_dictionary_of_torch_is_read_whole(tmp_path: Path) -> None:
    """Parameters, tied weights, a scalar, an empty tensor, a view into a storage, and torch's own metadata."""
    state = make_model("mistral").state_dict(keep_vars=True)
    rows = torch.arange(12.0).reshape(4, 3)
    state |= {"tied": state["lm_head.weight"], "scalar": torch.tensor(1.0), "none": torch.empty(0), "rows": rows[1:3]}
    torch.save(state, tmp_path / "consolidated.00.pth")

    found = {tensor.name: tensor for tensor in pth_tensors(tmp_path / "consolidated.00.pth")}

    assert {name: tensor.shape for name, tensor in found.items()} == {k: tuple(v.shape) for k, v in state.items()}
    (segment,) = found["rows"].segments
    stored = (tmp_path / "consolidated.00.pth").read_bytes()[segment.offset : segment.offset + segment.length]
    assert torch.frombuffer(bytearray(stored), dtype=torch.float32).reshape(2, 3).equal(rows[1:3])


@pytest.mark.parametrize("kind", ["inflated", "repeated"])
def test_a_pickled_adapter_that_would_fill_the_memory_is_refused(kind: str, adapter_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_bytes((adapter_dir / "adapter_config.json").read_bytes())
    path = tmp_path / PICKLED_WEIGHTS
    if kind == "inflated":
        _inflated(path)
    else:
        written = io.BytesIO()
        torch.save({"a": torch.ones(1).expand(2**40)}, written)
        path.write_bytes(written.getvalue())
    with pytest.raises(AdapterUnreadableError):
        read_adapter(tmp_path)
