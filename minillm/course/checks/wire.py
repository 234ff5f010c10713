"""Plain data as bytes and back, to cross the border of the sandbox: JSON for all but tensors, safetensors for those.

A message is the length of its JSON (8 bytes), the JSON, and a safetensors file. Both ends are in this module; what
comes out of a sandbox is hostile, so `unpack` fails in one way only.
"""

import json
import struct
from typing import Any

import safetensors.torch
import torch

from minillm.course.checks.plain import ATOMS, LARGEST, MOST_KEYS, plain

LENGTH = struct.Struct(">Q")
HEADER = struct.Struct("<Q")  # how a safetensors file begins: the length of its JSON


def pack(value: Any) -> bytes:
    """Plain data (`plain`) as bytes; raises `Refused` for anything else.

    A message may nest its values as deep as it needs; the limits of `plain` hold for each value in it.

    >>> unpack(pack({"a": (1, torch.ones(2)), "b": b"raw"}))
    {'a': (1, tensor([1., 1.])), 'b': b'raw'}
    """
    tensors: dict[str, torch.Tensor] = {}
    text = json.dumps(_down(value, tensors)).encode()
    return LENGTH.pack(len(text)) + text + safetensors.torch.save(tensors)


def unpack(message: bytes) -> Any:
    """What `pack` was given; raises `ValueError` for bytes that it never made.

    Its types are plain; how deep and how large each value is, the receiver checks (`plain`).

    >>> unpack(b"junk")
    Traceback (most recent call last):
    ValueError: no message but 4 bytes of something else
    """
    try:
        (length,) = LENGTH.unpack_from(message)
        tensors = message[LENGTH.size + length :]
        (header,) = HEADER.unpack_from(tensors)
        if max(length, header) > LARGEST:  # JSON takes many times its length when it is read
            raise ValueError
        value = json.loads(message[LENGTH.size : LENGTH.size + length])
        return _up(value, safetensors.torch.load(tensors))
    except Exception:  # a damaged file has many ways to fail, and none of them tells a grader more
        raise ValueError(f"no message but {len(message)} bytes of something else") from None


def _down(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """A value in what JSON has: a list stays one, all that JSON lacks becomes an object with one key."""
    kind = type(value)
    if kind is list:
        return [_down(item, tensors) for item in value]
    if kind is tuple:
        return {"tuple": [_down(item, tensors) for item in value]}
    if kind is dict:
        return {"dict": [[_down(key, tensors), _down(item, tensors)] for key, item in value.items()]}
    if kind is bytes:
        return {"bytes": value.hex()}
    if kind is torch.Tensor:
        name = str(len(tensors))
        tensors[name] = plain(value).contiguous()
        return {"tensor": name}
    value = plain(value)
    return value if type(value) in ATOMS else _down(value, tensors)


def _up(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if type(value) is list:
        return [_up(item, tensors) for item in value]
    if type(value) is not dict:
        return value
    ((kind, inner),) = value.items()
    if kind == "tuple":
        return tuple(_up(item, tensors) for item in inner)
    if kind == "dict":
        if len(inner) > MOST_KEYS:
            raise ValueError
        return {_up(key, tensors): _up(item, tensors) for key, item in inner}
    return bytes.fromhex(inner) if kind == "bytes" else tensors.pop(inner)  # once: each is copied
