"""The hook, called as the forges call it, through a real socket."""

from __future__ import annotations

import hmac
import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.daemon.feeds.hook import MOST_BYTES, PATH, GitHook
from reconciler.daemon.http import Listener, Request, Response, Route

SECRET = "a secret of some length"


class Hook:
    """A hook, what it has said, and how often the branch was to be looked at."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.looks = 0
        self.said: list[str] = []
        self.now = 0.0
        self.hook = GitHook(SECRET, "main", self.look, self.said.append, lambda: self.now)
        self._address = address

    def look(self) -> None:
        self.looks += 1

    def post(self, body: bytes, headers: Mapping[str, str]) -> int:
        with closing(http.client.HTTPConnection(*self._address, timeout=5)) as connection:
            connection.request("POST", PATH, body, dict(headers))
            with connection.getresponse() as response:
                return response.status

    def call(self, body: bytes, headers: Mapping[str, str]) -> int:
        """The same without a socket."""
        small = {name.lower(): value for name, value in headers.items()}
        return self.hook.answer(Request("POST", PATH, "", small, body, "192.0.2.1")).status


@pytest.fixture(scope="module")
def routes() -> dict[tuple[str, str], Route]:
    return {("POST", PATH): Route(lambda request: Response(500), MOST_BYTES)}


@pytest.fixture(scope="module")
def listener(routes: dict[tuple[str, str], Route]) -> Iterator[Listener]:
    made = Listener("127.0.0.1", 0, routes, print, 2.0)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def hook(listener: Listener, routes: dict[tuple[str, str], Route]) -> Hook:
    made = Hook(listener.address)
    routes.update(made.hook.routes())
    return made


def push(ref: str = "refs/heads/main", **more: Any) -> bytes:
    return json.dumps({"ref": ref, "after": "c" * 40, "id": str(uuid4()), **more}).encode()


def mac(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, sha256).hexdigest()


def github(body: bytes, event: str = "push", secret: str = SECRET) -> dict[str, str]:
    return {
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": str(uuid4()),
        "X-Hub-Signature-256": f"sha256={mac(body, secret)}",
    }


def gitea(body: bytes, event: str = "push", secret: str = SECRET) -> dict[str, str]:
    like_github = github(body, event, secret)
    return {
        **like_github,
        "X-Gitea-Event": event,
        "X-Gitea-Delivery": str(uuid4()),
        "X-Gitea-Signature": mac(body, secret),
    }


def forgejo(body: bytes, event: str = "push", secret: str = SECRET) -> dict[str, str]:
    like_gitea = gitea(body, event, secret)
    return {
        **like_gitea,
        "X-Forgejo-Event": event,
        "X-Forgejo-Delivery": str(uuid4()),
        "X-Forgejo-Signature": mac(body, secret),
    }


def gitlab(body: bytes, event: str = "Push Hook", secret: str = SECRET) -> dict[str, str]:
    return {"X-Gitlab-Event": event, "X-Gitlab-Event-UUID": str(uuid4()), "X-Gitlab-Token": secret}


Sign = Callable[..., dict[str, str]]
FORGES = [github, gitea, forgejo, gitlab]


@pytest.mark.parametrize("sign", FORGES)
def test_a_push_makes_the_branch_be_looked_at(hook: Hook, sign: Sign) -> None:
    body = push()
    assert hook.post(body, sign(body)) == 202
    assert hook.looks == 1


@pytest.mark.parametrize("sign", FORGES)
def test_a_wrong_secret_does_not(hook: Hook, sign: Sign) -> None:
    body = push()
    assert hook.post(body, sign(body, secret="another secret, just as long")) == 401
    assert hook.looks == 0
    assert hook.said == ["A call of /hooks/git was refused: its signature is missing or wrong."]


@pytest.mark.parametrize("sign", FORGES)
def test_another_branch_a_tag_and_a_ping_do_not(hook: Hook, sign: Sign) -> None:
    for ref in ("refs/heads/main2", "refs/heads/x/main", "refs/tags/main", "main", ""):
        body = push(ref)
        assert hook.post(body, sign(body)) == 202
    body = b'{"zen": "Keep it logically awesome."}'
    assert hook.post(body, sign(body, event="ping")) == 202
    assert hook.looks == 0


def test_no_signature_at_all(hook: Hook) -> None:
    assert hook.post(push(), {}) == 401
    assert hook.post(push(), {"X-GitHub-Event": "push", "X-Hub-Signature-256": ""}) == 401


def test_a_changed_body(hook: Hook) -> None:
    body = push()
    assert hook.post(body.replace(b"c", b"d"), github(body)) == 401


@pytest.mark.parametrize("sign", FORGES)
def test_a_replay_is_refused_also_under_another_id(hook: Hook, sign: Sign) -> None:
    body = push()
    headers = sign(body)
    assert hook.post(body, headers) == 202
    assert hook.post(body, headers) == 409
    assert hook.post(body, sign(body)) == 409
    assert hook.looks == 1


def test_what_was_seen_is_forgotten_after_an_hour(hook: Hook) -> None:
    body = push()
    assert hook.call(body, github(body)) == 202
    hook.now = 3599.0
    assert hook.call(body, github(body)) == 409
    hook.now = 3601.0
    assert hook.call(body, github(body)) == 202


def test_too_many_calls(hook: Hook) -> None:
    strangers = [hook.call(b"", {}) for _ in range(100)]
    assert strangers == [401] * 50 + [429] * 50
    assert len(hook.said) == 50
    body = push()
    assert hook.call(body, github(body)) == 202  # strangers do not keep the forge out
    ours = [hook.call(body, github(body)) for body in (push() for _ in range(100))]
    assert ours == [202] * 49 + [429] * 51
    hook.now += 1.0
    assert hook.call(body, github(body)) == 409


def test_a_body_has_a_limit(hook: Hook) -> None:
    body = push(more="x" * (MOST_BYTES - len(push(more=""))))
    assert len(body) == MOST_BYTES
    assert hook.post(body, github(body)) == 202
    body += b" "
    assert hook.post(body, github(body)) == 413


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"ref": 1}', b"{", b"payload=%7B%7D", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_push(hook: Hook, body: bytes) -> None:
    assert hook.post(body, github(body)) == 400
    assert hook.looks == 0


def test_the_secret_is_never_said(hook: Hook) -> None:
    body = push()
    for headers in (gitlab(body), {**gitlab(body), "X-Gitlab-Token": SECRET[:-1]}, gitlab(b"{")):
        hook.post(body, headers)
    assert SECRET[:-1] not in "".join(hook.said)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="fewer than 16"):
        GitHook("short", "main", lambda: None, print, lambda: 0.0)


HEADERS = st.sampled_from(
    ["X-Hub-Signature-256", "X-Gitlab-Token", "X-Gitea-Signature", "X-Forgejo-Signature", "X-GitHub-Event"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.just("ref"), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200), headers=st.dictionaries(HEADERS, st.text(max_size=80), max_size=4))
def test_nobody_gets_in_by_chance(hook: Hook, body: bytes, headers: dict[str, str]) -> None:
    hook.now += 100.0
    assert hook.call(body, headers) == 401
    assert hook.looks == 0


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON)
def test_whoever_has_the_secret_gets_an_answer(hook: Hook, value: Any) -> None:
    hook.now += 10_000.0
    body = json.dumps(value).encode()
    assert hook.call(body, github(body)) in {202, 400}
