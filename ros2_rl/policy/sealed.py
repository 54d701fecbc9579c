"""Safetensors files that carry the SHA-256 of themselves, so that any corruption on the way shows."""

import hashlib
import json
from collections.abc import Mapping

import numpy as np
import safetensors.numpy

from ros2_rl.errors import ContractError

_NO_DIGEST = "0" * 64
_DIGEST_FIELD = '"sha256":"{}"'


def seal(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    """The bytes of a file with these tensors, as float32, and this metadata."""
    arrays = {key: np.ascontiguousarray(value, dtype=np.float32) for key, value in tensors.items()}
    data = safetensors.numpy.save(arrays, {**metadata, "sha256": _NO_DIGEST})
    return _exchange_digest(data, _NO_DIGEST, hashlib.sha256(data).hexdigest())


def unseal(data: bytes, file_format: str, what: str) -> dict[str, str]:
    """Metadata of an intact file, whose entry ``format`` is ``file_format``.

    Raises:
        ContractError: it is damaged or of another format; ``what`` names it in the sentence.
    """
    try:
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + length])["__metadata__"]
        digest = metadata["sha256"]
        body = _exchange_digest(data, digest, _NO_DIGEST)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ContractError(f"The {what} cannot be read: it is not a safetensors file of ours.") from error
    if hashlib.sha256(body).hexdigest() != digest:
        raise ContractError(f"The {what} is corrupt: its SHA-256 does not match; send it again.")
    if metadata.get("format") != file_format:
        raise ContractError(f"The {what} has the format {metadata.get('format')}, not {file_format}.")
    return metadata


def _exchange_digest(data: bytes, old: str, new: str) -> bytes:
    """``data`` with another digest in its header; the digest is that of the file without one."""
    return data.replace(_DIGEST_FIELD.format(old).encode(), _DIGEST_FIELD.format(new).encode(), 1)
