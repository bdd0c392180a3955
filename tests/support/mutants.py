"""Damaged files: JSON, safetensors, torch's zip files and text with random changes of bytes or of structure."""

from __future__ import annotations

import copy
import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from typing import Any

STRANGE: tuple[Any, ...] = (
    None, True, -1, 0, 1, 3, 2**31, 2**63, 2**64, 10**40, 0.5, 1e308, float("nan"), float("inf"), "", "x", "../x",
    "\ud800", "F32", "BF16", "x" * 5000, [], [0], [-1], [0, 10**15], [[[]]], {}, {"a": {}}, [1] * 50, "4", "mixtral",
    "t5", "LOHA", "all-linear", "(a+)+$", "</s>",
)  # fmt: skip
TEMPLATES: tuple[str, ...] = (
    "{{", "{%", "}}", "{% for m in messages %}", "{% endfor %}", "{{ messages.append(1) }}", "{{ 'a' * 10 ** 9 }}",
    "{% set x = namespace(n=1) %}", "{{ messages[99].content }}", "{{ raise_exception('no') }}", "{{ 1 / 0 }}",
    "{% for a in range(10 ** 8) %}{% endfor %}", "{{ ''.__class__.__mro__ }}", "\x00", "\ufeff", "{# ",
)  # fmt: skip


def mutate(name: str, raw: bytes, rng: random.Random) -> bytes:
    """Return the content of a file of this name with random changes."""
    if rng.random() < 0.02:
        return rng.choice([b"", b"\xef\xbb\xbf" + raw, raw[: rng.randrange(len(raw) + 1)], b"<!DOCTYPE html><html>"])
    return _MUTATORS.get(name.rpartition(".")[2], _mutate_bytes)(raw, rng)


def _mutate_json(raw: bytes, rng: random.Random) -> bytes:
    """Return the JSON text with one to three changes of structure, or of bytes."""
    if rng.random() < 0.2:
        return _mutate_bytes(raw, rng)
    value = json.loads(raw)
    for _ in range(rng.randint(1, 3)):
        _change(value, rng)
    return json.dumps(value).encode()


def _mutate_shard(raw: bytes, rng: random.Random) -> bytes:
    """Return the file with another header, another header length, or cut off."""
    (length,) = struct.unpack("<Q", raw[:8])
    header, data = raw[8 : 8 + length], raw[8 + length :]
    kind = rng.random()
    if kind < 0.1:
        return struct.pack("<Q", rng.choice([0, 1, length - 1, length + 1, 2**24, 2**40, 2**63])) + raw[8:]
    if kind < 0.2:
        return raw[: rng.randrange(len(raw))]
    text = header[:-1] + b"," + header[1:] if kind < 0.25 else _mutate_json(header, rng)
    return struct.pack("<Q", len(text)) + text + data


def _mutate_zip(raw: bytes, rng: random.Random) -> bytes:
    """Return torch's zip file with changed bytes, cut off, or whole with a changed pickle in it."""
    kind = rng.random()
    if kind < 0.2:
        return raw[: rng.randrange(len(raw))]
    if kind < 0.4:
        return _mutate_bytes(raw, rng)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as archive, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as changed:
        for info in archive.infolist():
            data = archive.read(info)
            changed.writestr(info.filename, _mutate_bytes(data, rng) if info.filename.endswith("data.pkl") else data)
    return out.getvalue()


def _mutate_template(raw: bytes, rng: random.Random) -> bytes:
    text = raw.decode()
    for _ in range(rng.randint(1, 2)):
        place = rng.randrange(len(text) + 1)
        text = text[:place] + rng.choice(TEMPLATES) + text[place + rng.randrange(20) :]
    return text.encode()


def _mutate_bytes(raw: bytes, rng: random.Random) -> bytes:
    changed = bytearray(raw)
    for _ in range(rng.randint(1, 8)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _change(value: Any, rng: random.Random) -> None:
    """Go down a random path and change what is there."""
    while isinstance(value, dict | list) and value:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = rng.choice(keys)
        inner = value[key]
        if isinstance(inner, dict | list) and inner and rng.random() < 0.7:
            value = inner
            continue
        _change_item(value, key, rng)
        return


def _change_item(value: Any, key: Any, rng: random.Random) -> None:
    kind = rng.random()
    if kind < 0.15:
        del value[key]
    elif kind < 0.3 and isinstance(value[key], int):
        value[key] += rng.choice([-1, 1, 8, 1000])
    elif kind < 0.4 and isinstance(value, dict):
        value[f"{key}x"] = value.pop(key)
    elif kind < 0.5 and key == "chat_template" and isinstance(value[key], str):
        value[key] = _mutate_template(value[key].encode(errors="replace"), rng).decode()
    else:
        value[key] = copy.deepcopy(rng.choice(STRANGE))


_MUTATORS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "json": _mutate_json,
    "safetensors": _mutate_shard,
    "bin": _mutate_zip,
    "pth": _mutate_zip,
    "jinja": _mutate_template,
}
