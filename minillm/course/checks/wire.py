"""Encode plain data as bytes, to pass into and out of the sandbox.

A message is the length of its JSON (8 bytes), the JSON, and a safetensors file with all tensors. Messages from a
sandbox are untrusted: `unpack` raises only `ValueError`, whatever the bytes are.
"""

import json
import struct
from typing import Any

import safetensors.torch
import torch

from minillm.course.checks.plain import ATOMS, MAX_KEYS, MAX_SIZE, plain

LENGTH = struct.Struct(">Q")
HEADER = struct.Struct("<Q")  # how a safetensors file begins: the length of its JSON


def pack(value: Any) -> bytes:
    """Encode plain data (`plain`) as bytes; raises `Refused` for anything else.

    A message may be nested to any depth; the limits of `plain` apply to each value in it.

    >>> unpack(pack({"a": (1, torch.ones(2)), "b": b"raw"}))
    {'a': (1, tensor([1., 1.])), 'b': b'raw'}
    """
    tensors: dict[str, torch.Tensor] = {}
    text = json.dumps(_to_json(value, tensors)).encode()
    return LENGTH.pack(len(text)) + text + safetensors.torch.save(tensors)


def unpack(message: bytes) -> Any:
    """Decode the bytes of `pack`; raises `ValueError` for any other bytes.

    The result has only plain types; the receiver must check its depth and size (`plain`).

    >>> unpack(b"junk")
    Traceback (most recent call last):
    ValueError: 4 bytes that are not a message of `pack`
    """
    try:
        (length,) = LENGTH.unpack_from(message)
        tensors = message[LENGTH.size + length :]
        (header,) = HEADER.unpack_from(tensors)
        if max(length, header) > MAX_SIZE:  # parsed JSON takes many times its length
            raise ValueError
        value = json.loads(message[LENGTH.size : LENGTH.size + length])
        return _from_json(value, safetensors.torch.load(tensors))
    except Exception:  # invalid bytes fail in many ways, and the reason does not matter
        raise ValueError(f"{len(message)} bytes that are not a message of `pack`") from None


def _to_json(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """Convert to JSON types; a value of another type becomes an object with one key."""
    kind = type(value)
    if kind is list:
        return [_to_json(item, tensors) for item in value]
    if kind is tuple:
        return {"tuple": [_to_json(item, tensors) for item in value]}
    if kind is dict:
        return {"dict": [[_to_json(key, tensors), _to_json(item, tensors)] for key, item in value.items()]}
    if kind is bytes:
        return {"bytes": value.hex()}
    if kind is torch.Tensor:
        name = str(len(tensors))
        tensors[name] = plain(value).contiguous()
        return {"tensor": name}
    value = plain(value)
    return value if type(value) in ATOMS else _to_json(value, tensors)


def _from_json(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if type(value) is list:
        return [_from_json(item, tensors) for item in value]
    if type(value) is not dict:
        return value
    ((kind, inner),) = value.items()
    if kind == "tuple":
        return tuple(_from_json(item, tensors) for item in inner)
    if kind == "dict":
        if len(inner) > MAX_KEYS:
            raise ValueError
        return {_from_json(key, tensors): _from_json(item, tensors) for key, item in inner}
    return bytes.fromhex(inner) if kind == "bytes" else tensors.pop(inner)  # each tensor only once
