"""Texts that want to be obeyed, and addresses that are not what they seem."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from daemon.receiver import receiving
from daemon.reports import NOON
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.daemon.notify import content
from reconciler.daemon.notify.letter import Letter, Undelivered
from reconciler.daemon.notify.post import is_public, post, read_address
from reconciler.model.daemon import Notice, NoticeKind
from reconciler.render.escape import HIDDEN

HIDDEN_OR_CONTROL = re.compile(rf"[\x00-\x09\x0b-\x1f{HIDDEN}]")
NASTY = "<!channel> @here <@U1> *b* _i_ [x](javascript:1) \u202egnp.exe \x1b[2J ::error::\r\n```\n</at> &amp; \udcff\0"
BODIES = (content.cloudevent, content.slack, content.teams)

texts = st.text(st.characters(), max_size=60)


def letter(text: str) -> Letter:
    return Letter(Notice(NoticeKind.FAILED, text, text, text, "", text), NOON, text)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings(item)


@settings(max_examples=60, deadline=None)
@given(texts)
@example(NASTY)
@example(NASTY * 200)
def test_nothing_hidden_gets_out_and_bodies_stay_small(text: str) -> None:
    for write in BODIES:
        body = write(letter(text))
        assert len(body) < 20_000
        for one in strings(json.loads(body)):
            # The space of no width that takes the sting out of a mention is ours.
            assert not HIDDEN_OR_CONTROL.search(one.replace("@\u200b", "@"))


@settings(max_examples=60, deadline=None)
@given(texts)
@example(NASTY)
def test_slack_finds_nothing_to_obey(text: str) -> None:
    message = json.loads(content.slack(letter(text)))
    assert message["mrkdwn"] is False
    assert {block["text"]["type"] for block in message["blocks"] if "text" in block} == {"plain_text"}
    for one in strings(message):
        assert not re.search("[<>]|&(?!amp;|lt;|gt;)|@(?!\u200b)", one)


def test_slack_takes_it() -> None:
    """Within the limits of its blocks."""
    title, text, _ = json.loads(content.slack(letter("word " * 2_000)))["blocks"]
    assert len(title["text"]["text"]) <= 150
    assert len(text["text"]["text"]) <= 3_000
    assert text["text"]["text"].endswith("(cut)")


def test_teams_shows_text_as_it_is() -> None:
    """Every text stands in a text run, which knows no Markdown."""
    card = json.loads(content.teams(letter("**b** [x](javascript:1)")))["attachments"][0]["content"]
    for block in card["body"]:
        assert block["type"] == "RichTextBlock"
        assert [run["type"] for run in block["inlines"]] == ["TextRun"]
    assert card["body"][1]["inlines"][0]["text"] == "**b** [x](javascript:1)"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "192.0.2.1", "198.18.0.1", "240.0.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1",
        "::ffff:169.254.169.254", "::169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:a9fe:a9fe::",
        "2001:0:a9fe::1", "2001:db8::1", "ff02::1", "100::1", "not an address", "",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "140.82.112.3", "172.32.0.1", "100.128.0.1", "2606:4700::1111"])
def test_an_address_that_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "2130706433", "0177.0.0.1", "0x7f000001", "127.1", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_a_private_host_gets_nothing_however_it_is_written(host: str) -> None:
    with receiving() as receiver:
        address = read_address(f"http://{host}:{receiver.server_port}/", True, ())
        with pytest.raises(Undelivered):
            post(address, b"", {}, 2)
        assert receiver.got == []


@pytest.mark.parametrize(
    "url",
    [
        "", "https://", "https:///x", "ftp://example.com/", "file:///etc/passwd", "https://a@example.com/", "//x/",
        "https://:p@example.com/", "https://example.com:99999/", "https://exa mple.com/", "https://ex\r\nHost: b/",
        "https://exämple.com/", "https://[::1/", "https://example.com:22/", "unix:/var/run/x.sock",
    ],
)  # fmt: skip
def test_what_is_no_web_address(url: str) -> None:
    with pytest.raises(ValueError, match=r"^[a-z]"):
        read_address(url, True, ())


@settings(max_examples=80, deadline=None)
@given(st.one_of(st.text(max_size=40), st.text(max_size=30).map("https://".__add__)))
def test_an_address_is_read_or_refused(url: str) -> None:
    try:
        address = read_address(url, False, ())
    except ValueError:
        return
    assert address.scheme == "https"
    assert address.host


def test_a_certificate_must_be_for_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with receiving(context) as receiver:
        post(read_address(f"https://localhost:{receiver.server_port}/", False, {"localhost"}), b"{}", {}, 5)
        assert len(receiver.got) == 1
        with pytest.raises(Undelivered, match="certificate is not valid"):
            post(read_address(f"https://127.0.0.1:{receiver.server_port}/", False, {"127.0.0.1"}), b"{}", {}, 5)
        assert len(receiver.got) == 1


def test_a_proxy_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as receiver, receiving() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        post(read_address(receiver.url, True, {"127.0.0.1"}), b"{}", {}, 5)
        assert (len(receiver.got), len(proxy.got)) == (1, 0)


def test_a_port_where_nobody_listens() -> None:
    with receiving() as receiver:
        url = receiver.url
    with pytest.raises(Undelivered, match="Connection refused") as caught:
        post(read_address(url, True, {"127.0.0.1"}), b"{}", {}, 5)
    assert caught.value.again
    assert "hush" not in str(caught.value)
