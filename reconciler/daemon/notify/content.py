"""What a notice looks like to each receiver: as a CloudEvent, in Slack, in Teams. Nothing in it that a stranger wrote
is obeyed: no mention, no markup, no hidden character."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson

from reconciler.daemon.notify.letter import Letter
from reconciler.model.daemon import Notice, NoticeKind
from reconciler.render.escape import escape, escape_lines

CLOUDEVENT = "application/cloudevents+json; charset=utf-8"
JSON = "application/json; charset=utf-8"

_MOST = 3_000
"""Characters of a text, so that a body stays near the 20 kB that receivers of webhooks are asked to take."""
_MOST_OF_LINE = 400
_MOST_LINES = 40
_SLACK_TITLE = 150
_CUT = " … (cut)"
_COLORS = {NoticeKind.SYNCED: "Good", NoticeKind.RECOVERED: "Good", NoticeKind.DRIFTED: "Warning"}


def cloudevent(letter: Letter) -> bytes:
    """The letter as a CloudEvent 1.0, in JSON."""
    notice = letter.notice
    event = {
        "specversion": "1.0",
        "id": letter.id,
        "source": f"/ureg/{quote(_line(letter.source), safe='')}",
        "type": f"ureg.notice.{notice.kind}",
        "time": letter.at,
        "datacontenttype": "application/json",
        "data": {
            "kind": notice.kind,
            "subject": _line(notice.subject),
            "title": _line(notice.title),
            "text": _text(notice),
            "commit": notice.commit,
            "key": _line(notice.key),
        },
    }
    if notice.subject:
        event["subject"] = _line(notice.subject)
    return orjson.dumps(event)


def slack(letter: Letter) -> bytes:
    """The letter as an incoming webhook of Slack takes it, in blocks of plain text."""
    title = _cut(_unmentioned(_line(letter.notice.title)), _SLACK_TITLE)
    text = _cut(_unmentioned(_text(letter.notice)), _MOST)
    foot = _unmentioned(_foot(letter))
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(title)}]
    if text:
        blocks.append({"type": "section", "text": _plain(text)})
    blocks.append({"type": "context", "elements": [_plain(foot)]})
    message = {"text": _entities(title), "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}
    return orjson.dumps({**message, "blocks": blocks})


def teams(letter: Letter) -> bytes:
    """The letter as a workflow of Teams takes it: an adaptive card. Its text runs know no Markdown."""
    notice = letter.notice
    color = _COLORS.get(notice.kind, "Attention")
    body = [_run(_line(notice.title), weight="Bolder", size="Medium", color=color)]
    body += [_run(line) for line in _text(notice).split("\n") if line]
    body.append(_run(_foot(letter), isSubtle=True, size="Small"))
    card = {"type": "AdaptiveCard", "version": "1.4", "body": body}
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return orjson.dumps({"type": "message", "attachments": [attachment]})


def _line(text: str) -> str:
    return _cut(escape(text), _MOST_OF_LINE)


def _text(notice: Notice) -> str:
    lines = escape_lines(notice.text)
    kept = (
        lines if len(lines) <= _MOST_LINES else [*lines[:_MOST_LINES], f"and {len(lines) - _MOST_LINES:,} more lines"]
    )
    return _cut("\n".join(kept), _MOST)


def _foot(letter: Letter) -> str:
    commit = f", commit {letter.notice.commit[:12]}" if letter.notice.commit else ""
    return f"ureg, {_line(letter.source)}{commit}"


def _cut(text: str, most: int) -> str:
    """`text` with at most so many characters; that some are missing is said."""
    return text if len(text) <= most else text[: most - len(_CUT)] + _CUT


def _unmentioned(text: str) -> str:
    """`text` with a space of no width behind each @, so that no chat finds anybody's name in it."""
    return text.replace("@", "@\u200b")


def _entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": _entities(text), "emoji": False}


def _run(text: str, **look: Any) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **look}]}
