"""Signs the body of a webhook as Standard Webhooks has it: HMAC-SHA256, with several keys while they are changed."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence

_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64


def read_key(secret: str) -> bytes:
    """The key in a secret such as `whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw`. Raises ValueError, which holds no part of
    it."""
    try:
        key = base64.b64decode(secret.strip().removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError(
            f"the secret of a webhook is {_PREFIX} and then {_SHORTEST} to {_LONGEST} random bytes in base64"
        )
    return key


def signed(identity: str, timestamp: int, body: bytes, keys: Sequence[bytes]) -> Mapping[str, str]:
    """The headers that sign `body`, once by each key. `identity` is the same at each attempt, `timestamp` is that of
    this one, in seconds since 1970."""
    content = b"%s.%d.%s" % (identity.encode(), timestamp, body)
    signatures = (base64.b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys)
    headers = {"webhook-id": identity, "webhook-timestamp": str(timestamp)}
    return {**headers, "webhook-signature": " ".join(f"v1,{s}" for s in signatures)} if keys else headers
