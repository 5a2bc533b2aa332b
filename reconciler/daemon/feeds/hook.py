"""Answers `POST /hooks/git`: a push that GitHub, GitLab, Gitea or Forgejo tells of makes the branch be looked at.

Nothing is taken from what it says. Whoever proves to know the secret can make the daemon fetch sooner, and no more.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b, sha256
from threading import Lock
from typing import NamedTuple

from reconciler.daemon.http import Request, Response, Route, Say

PATH = "/hooks/git"
MOST_BYTES = 1 << 20
SHORTEST_SECRET = 16
"""Characters. A shorter one could be guessed by trying."""

_REMEMBERED = 4096
_REMEMBERED_FOR = 3600.0
_RATE, _BURST = 10.0, 50.0
"""Requests a second in the long run, and at once."""


class Forge(NamedTuple):
    """How a forge signs, and names its events and deliveries. `prefix` stands before the signature."""

    proof: str
    prefix: str
    event: str
    delivery: str
    push: str


_FORGES = (
    Forge("x-forgejo-signature", "", "x-forgejo-event", "x-forgejo-delivery", "push"),
    Forge("x-gitea-signature", "", "x-gitea-event", "x-gitea-delivery", "push"),
    Forge("x-hub-signature-256", "sha256=", "x-github-event", "x-github-delivery", "push"),
    Forge("x-gitlab-token", "", "x-gitlab-event", "x-gitlab-event-uuid", "Push Hook"),
)
_GITLAB = _FORGES[-1]
"""It sends the secret itself, and signs nothing."""


_FORGED = Response(401, b"The signature is missing or wrong.\n")
_TAKEN = Response(409, b"This delivery was taken before.\n")
_TOO_MANY = Response(429, b"Too many requests.\n", headers={"Retry-After": "1"})


class GitHook:
    """`branch` is the one that is watched, `look` is called for each push to it and returns at once. `monotonic` gives
    seconds. Raises ValueError for a secret that is too short."""

    def __init__(
        self, secret: str, branch: str, look: Callable[[], None], say: Say, monotonic: Callable[[], float]
    ) -> None:
        if len(secret) < SHORTEST_SECRET:
            raise ValueError(f"the secret of the hook has fewer than {SHORTEST_SECRET} characters")
        self._secret = secret.encode()
        self._ref = f"refs/heads/{branch}"
        self._look = look
        self._say = say
        self._seen = _Memory(monotonic)
        self._known = _Bucket(monotonic)
        self._strangers = _Bucket(monotonic)

    def routes(self) -> dict[tuple[str, str], Route]:
        return {("POST", PATH): Route(self.answer, MOST_BYTES)}

    def answer(self, request: Request) -> Response:
        """What the forge is told; the look at the branch comes later."""
        forge = next((forge for forge in _FORGES if forge.proof in request.headers), None)
        if forge is None or not self._proves(forge, request):
            # Counted apart, so that strangers cannot keep the forge out.
            return self._refuse(_FORGED, "its signature is missing or wrong") if self._strangers.take() else _TOO_MANY
        if not self._known.take():
            return _TOO_MANY
        if request.headers.get(forge.event, "") != forge.push:
            return Response(202, b"Nothing is done for this event.\n")
        ref = _ref(request.body)
        if ref is None:
            return Response(400, b"The body is no JSON object with a ref. Set the content type to application/json.\n")
        if not self._seen.add(_names(forge, request)):
            return self._refuse(_TAKEN, "it was taken before")
        if ref != self._ref:
            return Response(202, b"Nothing is done for this ref.\n")
        self._look()
        return Response(202, b"The branch will be looked at.\n")

    def _refuse(self, response: Response, why: str) -> Response:
        self._say(f"A call of {PATH} was refused: {why}.")
        return response

    def _proves(self, forge: Forge, request: Request) -> bool:
        given = request.headers[forge.proof].encode("utf-8", "surrogateescape")
        if forge is _GITLAB:
            # Of digests, so that not even the length of the secret shows.
            return hmac.compare_digest(sha256(given).digest(), sha256(self._secret).digest())
        right = forge.prefix + hmac.new(self._secret, request.body, sha256).hexdigest()
        return hmac.compare_digest(given, right.encode())


def _ref(body: bytes) -> str | None:
    import orjson

    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    ref = value.get("ref") if isinstance(value, dict) else None
    return ref if isinstance(ref, str) else None


def _names(forge: Forge, request: Request) -> tuple[bytes, ...]:
    """By what a delivery is known again. A signature covers the body alone, so that its id could be another one."""
    delivery = request.headers.get(forge.delivery, "")
    body = blake2b(request.body, digest_size=16).digest()
    return (
        (body, blake2b(delivery.encode("utf-8", "surrogateescape"), digest_size=16).digest()) if delivery else (body,)
    )


class _Memory:
    """What was seen within the hour, at most so many."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._seen: OrderedDict[bytes, float] = OrderedDict()
        self._lock = Lock()

    def add(self, names: tuple[bytes, ...]) -> bool:
        """False where one of `names` was seen before."""
        now = self._monotonic()
        with self._lock:
            while self._seen and (
                len(self._seen) > _REMEMBERED or now - next(iter(self._seen.values())) > _REMEMBERED_FOR
            ):
                self._seen.popitem(last=False)
            known = any(name in self._seen for name in names)
            if not known:
                self._seen.update(dict.fromkeys(names, now))
            return not known


class _Bucket:
    """Lets so many through at once, and so many a second in the long run."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._level, self._at = _BURST, monotonic()
        self._lock = Lock()

    def take(self) -> bool:
        with self._lock:
            now = self._monotonic()
            self._level = min(self._level + (now - self._at) * _RATE, _BURST)
            self._at = now
            if self._level < 1:
                return False
            self._level -= 1
            return True
