"""Names of files, programs and the like that stand for a component, made from its address."""

from __future__ import annotations

import re
from hashlib import blake2b

from reconciler.model.address import Address, parse_address

_LONGEST = 200
"""In characters. Files may have 255, and whoever names one adds a few to it."""
_ESCAPED = re.compile(r"[^A-Za-z0-9._-]")


def file_name(address: Address) -> str:
    """`service~search-api` for service/search-api, `payments~service~search-api` in a sub-registry.

    No two addresses share one. It holds nothing but ASCII letters, digits and `._-~=`, and begins with a letter or
    a digit. A character that is none of these becomes `=` and its bytes in hexadecimal; what gets too long by that
    ends in a digest.
    """
    name = "~".join(_ESCAPED.sub(_escape, part) for part in parse_address(address) if part)
    if len(name) <= _LONGEST:
        return name
    digest = blake2b(address.encode(), digest_size=16).hexdigest()
    return f"{name[: _LONGEST - len(digest) - 2]}~={digest}"


def _escape(match: re.Match[str]) -> str:
    return "".join(f"={byte:02x}" for byte in match[0].encode())
