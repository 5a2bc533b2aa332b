"""Notices as they arrive at real receivers, judged by the libraries that receivers use."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from daemon.receiver import Receiver, receiving, until
from daemon.reports import COMMIT, NOON
from standardwebhooks import Webhook, WebhookVerificationError

from reconciler.daemon.notify.courier import CAPACITY, Attempt, Courier, Result
from reconciler.daemon.notify.letter import Letter, Undelivered
from reconciler.daemon.notify.targets import PRIVATE_HOSTS, Around, open_couriers
from reconciler.model.daemon import Notice, NoticeKind
from reconciler.model.diagnostics import Invalid

FAILED = Notice(
    NoticeKind.FAILED, "service/web", "service/web failed", "port 80 is taken", COMMIT, "failed/service/web"
)
SYNCED = Notice(NoticeKind.SYNCED, "", "Commit c0ffee is applied", "", COMMIT, f"synced/{COMMIT}")
SECRETS = {
    "env:OLD": "whsec_" + base64.b64encode(b"o" * 32).decode(),
    "env:NEW": "whsec_" + base64.b64encode(b"n" * 24).decode(),
    "env:SHORT": "whsec_" + base64.b64encode(b"short").decode(),
}


class World:
    """Couriers, and what they told."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.attempts: list[Attempt] = []
        self.secrets = dict(SECRETS)

    def open(self, *notify: dict[str, Any], private: str = "127.0.0.1") -> list[Courier]:
        around = Around("shop", self.root, {PRIVATE_HOSTS: private}, self.secrets.__getitem__, lambda: NOON)
        return open_couriers(notify, around, self.attempts.append)

    def send(self, item: dict[str, Any], *notices: Notice, private: str = "127.0.0.1") -> None:
        """Sends `notices` and ends: each gets one attempt at the least."""
        (courier,) = self.open(item, private=private)
        for notice in notices:
            courier.tell(notice)
        courier.close(10)

    def results(self) -> list[Result]:
        return [attempt.result for attempt in self.attempts]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def webhook(receiver: Receiver, **more: Any) -> dict[str, Any]:
    return {"webhook": {"url": receiver.url, "insecure": True, **more}}


def test_a_webhook_gets_a_cloudevent(world: World, receiver: Receiver) -> None:
    world.send(webhook(receiver), FAILED)
    (got,) = receiver.got
    event = from_http_event(HTTPMessage({"Content-Type": got.headers["content-type"]}, got.body))
    assert (event.get_type(), event.get_source(), event.get_subject()) == (
        "ureg.notice.failed", "/ureg/shop", "service/web",
    )  # fmt: skip
    assert event.get_time() == datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert event.get_data() == {
        "kind": "failed",
        "subject": "service/web",
        "title": "service/web failed",
        "text": "port 80 is taken",
        "commit": COMMIT,
        "key": "failed/service/web",
    }
    assert got.path == "/hook?token=hush"
    assert got.headers["host"] == f"127.0.0.1:{receiver.server_port}"
    assert "webhook-signature" not in got.headers


def test_a_notice_of_the_registry_has_no_subject(world: World, receiver: Receiver) -> None:
    world.send(webhook(receiver), SYNCED)
    assert "subject" not in json.loads(receiver.got[0].body)


def test_it_is_signed_by_each_key(world: World, receiver: Receiver) -> None:
    world.send(webhook(receiver, secrets=[{"secretRef": "env:OLD"}, {"secretRef": "env:NEW"}]), FAILED)
    (got,) = receiver.got
    for place in ("env:OLD", "env:NEW"):
        assert Webhook(SECRETS[place]).verify(got.body, got.headers)["type"] == "ureg.notice.failed"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRETS["env:OLD"]).verify(got.body + b" ", got.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + base64.b64encode(b"x" * 32).decode()).verify(got.body, got.headers)


def test_what_fails_is_sent_again_under_the_same_id(world: World, receiver: Receiver) -> None:
    receiver.answers = [503, 200]
    (courier,) = world.open(webhook(receiver, secrets=[{"secretRef": "env:OLD"}], name="pager"))
    courier.tell(FAILED)
    first, second = receiver.wait(2)
    courier.close(10)
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert int(second.headers["webhook-timestamp"]) > int(first.headers["webhook-timestamp"])
    assert Webhook(SECRETS["env:OLD"]).verify(second.body, second.headers)
    assert [(a.target, a.result) for a in world.attempts] == [("pager", "retried"), ("pager", "delivered")]
    assert world.attempts[0].error == f"http://127.0.0.1:{receiver.server_port} answered with 503"


@pytest.mark.parametrize("status", [400, 401, 404, 410])
def test_what_is_refused_for_good_is_not_sent_again(world: World, receiver: Receiver, status: int) -> None:
    receiver.answers = [status, 200]
    world.send(webhook(receiver), FAILED, SYNCED)
    assert world.results() == ["dropped", "delivered"]
    assert len(receiver.got) == 2


def test_a_redirect_is_not_followed(world: World, receiver: Receiver) -> None:
    with receiving() as other:
        receiver.answers, receiver.headers = [302], {"Location": other.url}
        world.send(webhook(receiver), FAILED)
        assert other.got == []
    assert world.attempts[0].error.endswith("answered with 302, a redirect, which is not followed")


def test_a_receiver_that_drips_costs_the_timeout_and_no_more(world: World, receiver: Receiver) -> None:
    receiver.drip = True
    begun = time.monotonic()
    world.send(webhook(receiver, timeout="300ms"), FAILED)
    assert time.monotonic() - begun < 3
    assert world.results() == ["dropped"]


def test_telling_never_waits_and_the_queue_is_bounded(world: World, receiver: Receiver) -> None:
    receiver.drip = True
    (courier,) = world.open(webhook(receiver, timeout="2s"))
    begun = time.monotonic()
    for _ in range(CAPACITY + 50):
        courier.tell(FAILED)
    assert time.monotonic() - begun < 1
    assert courier.waiting() <= CAPACITY
    assert set(world.results()) == {"dropped"}
    assert 48 <= len(world.attempts) <= 51
    courier.close(0.1)


def test_the_end_is_bounded_too(world: World, receiver: Receiver) -> None:
    receiver.answers = [503]
    (courier,) = world.open(webhook(receiver))
    for _ in range(3):
        courier.tell(FAILED)
    receiver.wait(1)
    begun = time.monotonic()
    courier.close(5)
    assert time.monotonic() - begun < 2
    assert world.results()[-3:] == ["dropped"] * 3


def test_what_is_not_asked_for_is_not_sent(world: World, receiver: Receiver) -> None:
    world.send(webhook(receiver, on=["failed", "recovered"]), SYNCED, FAILED)
    assert [json.loads(got.body)["type"] for got in receiver.got] == ["ureg.notice.failed"]


def test_one_deaf_receiver_does_not_hold_up_another(world: World, receiver: Receiver) -> None:
    with receiving() as deaf:
        deaf.drip = True
        couriers = world.open(webhook(deaf), webhook(receiver))
        for courier in couriers:
            courier.tell(FAILED)
        receiver.wait(1, 2)
    for courier in couriers:
        courier.close(0)


# Commands


def test_a_command_gets_the_event_on_its_standard_input(world: World, tmp_path: Path) -> None:
    world.send({"command": {"run": ["sh", "-c", 'cat > "$1"', "sh", "$(id) got.json"]}}, FAILED)
    event = json.loads((tmp_path / "$(id) got.json").read_text())
    assert event["data"]["commit"] == COMMIT
    assert world.results() == ["delivered"]


def test_what_a_command_says_as_it_fails_is_told(world: World) -> None:
    world.send({"command": {"run": ["sh", "-c", "echo no; echo no token >&2; exit 3"]}}, FAILED)
    assert world.attempts[0].error == "sh ended with 3: no token"


def test_a_command_that_does_not_read_is_no_trouble(world: World) -> None:
    world.send({"command": {"run": ["true"]}}, FAILED._replace(text="x" * 200_000))
    assert world.results() == ["delivered"]


def test_a_command_that_hangs_is_killed_with_its_children(world: World, tmp_path: Path) -> None:
    script = 'sleep 60 & echo $! > "$1"; wait'
    world.send({"command": {"run": ["sh", "-c", script, "sh", "pid"], "timeout": "300ms"}}, FAILED)
    child = int((tmp_path / "pid").read_text())
    until(lambda: not _lives(child))
    assert world.attempts[0].error == "sh did not end within 0.3 s"


def _lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_command_that_is_not_there_is_said(world: World) -> None:
    world.send({"command": {"run": ["no-such-program"]}}, FAILED)
    assert "no-such-program cannot be run" in world.attempts[0].error


# What cannot be made is said before anything is sent


def test_everything_that_is_wrong_is_said_at_once(world: World) -> None:
    with pytest.raises(Invalid) as caught:
        world.open(
            {"webhook": {"url": "http://hooks.example.com/hush"}},
            {"webhook": {"url": "https://hooks.example.com:25/hush"}},
            {"slack": {"url": "https://me:hush@hooks.example.com/"}},
            {
                "webhook": {
                    "url": "https://hooks.example.com/",
                    "secrets": [{"secretRef": "env:SHORT"}],
                    "name": "pager",
                }
            },
        )
    told = [f"{d.summary}: {d.detail}" for d in caught.value.diagnostics]
    assert told == [
        "No notice can be sent to webhook-1: http to hooks.example.com can be read by others: use https, or say "
        "`insecure: true`.",
        "No notice can be sent to webhook-2: port 25 is that of another service: 80, 443 and those from 1024 can be "
        "used.",
        "No notice can be sent to slack-3: a web address is https://HOST/PATH, without a password.",
        "No notice can be sent to pager: the secret of a webhook is whsec_ and then 24 to 64 random bytes in base64.",
    ]
    assert "hush" not in "".join(told)


def test_the_order_of_letters_holds_across_attempts_that_fail() -> None:
    sent: list[str] = []
    failing = [True, True, False]

    def send(letter: Letter) -> None:
        if failing and failing.pop(0):
            raise Undelivered("not now", again=True)
        sent.append(letter.notice.subject)

    courier = Courier("t", send, list(NoticeKind), "shop", lambda: NOON, lambda attempt: None, first_wait=0.01)
    for number in range(20):
        courier.tell(FAILED._replace(subject=f"service/s{number}"))
    until(lambda: len(sent) == 20)
    courier.close(1)
    assert sent == [f"service/s{number}" for number in range(20)]


def test_the_environment_of_the_daemon_reaches_a_command(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "FORGE_TOKEN", "there")
    world.send({"command": {"run": ["sh", "-c", 'test "$FORGE_TOKEN" = there']}}, FAILED)
    assert world.results() == ["delivered"]
