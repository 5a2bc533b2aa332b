"""The log: one line for each thing, for people and for machines, with nothing in it that is obeyed or secret."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from daemon.reports import COMMIT, NOON, component, report
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.daemon.logs import Log
from reconciler.daemon.notify.courier import Attempt, Result
from reconciler.model.daemon import ConditionType, Notice, NoticeKind, Trigger, Verdict, Why
from reconciler.model.diagnostics import Diagnostic, Location

BAD = report(
    component("service/web", ConditionType.DRIFTED, failures=1),
    verdict=Verdict.FAILED,
    changes={"create": 2, "delete": 0},
    failed=1,
    drifted=1,
    waits="A sync window is closed",
)._replace(triggers=(Trigger(Why.COMMIT), Trigger(Why.RETRY), Trigger(Why.COMMIT)))


class Paper:
    def __init__(self, json: bool = False) -> None:
        self.lines: list[str] = []
        self.log = Log(self.lines.append, lambda: NOON, json, lambda text: text.replace("hush", "(sensitive)"))

    def read(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.lines]


def test_a_cycle_for_people() -> None:
    paper = Paper()
    paper.log(BAD)
    assert paper.lines == [
        f"{NOON} error   failed c0ffeec0ffee cycle=1 seconds=0.25 why=commit,retry desired={COMMIT} applied={COMMIT} "
        'changes_create=2 failed=1 drifted=1 waits="A sync window is closed"\n'
    ]


def test_a_cycle_for_machines() -> None:
    paper = Paper(json=True)
    paper.log(BAD)
    assert paper.read() == [
        {
            "time": NOON,
            "level": "error",
            "message": "failed c0ffeec0ffee",
            "cycle": 1,
            "seconds": 0.25,
            "why": "commit,retry",
            "desired": COMMIT,
            "applied": COMMIT,
            "changes_create": 2,
            "failed": 1,
            "drifted": 1,
            "waits": "A sync window is closed",
        }
    ]


def test_a_cycle_before_the_first_commit_says_so() -> None:
    paper = Paper()
    waiting = report(verdict=Verdict.PENDING)
    paper.log(waiting._replace(after=waiting.after._replace(desired="")))
    assert paper.lines[0].startswith(f"{NOON} info    pending, no commit yet cycle=1 ")


def test_what_was_healed_is_named() -> None:
    paper = Paper()
    paper.log(report(changes={"update": 2})._replace(healed=("service/web", "service/db")))
    assert paper.lines[0].endswith(" changes_update=2 healed=service/web,service/db\n")


def test_each_thing_that_is_wrong_has_a_line() -> None:
    paper = Paper(json=True)
    finding = Diagnostic("yaml-syntax", "This is no YAML", location=Location("registry.d/a.yaml"))
    paper.log(report(verdict=Verdict.REFUSED, errors=("one", "two"))._replace(diagnostics=(finding,)))
    lines = paper.read()
    assert [line["message"] for line in lines] == ["one", "two", "This is no YAML", "refused c0ffeec0ffee"]
    assert lines[2]["where"] == "registry.d/a.yaml"


def test_triggers_and_notices() -> None:
    paper = Paper()
    paper.log.triggered(Trigger(Why.COMMIT, "push to main"))
    paper.log.triggered(Trigger(Why.SOURCE, "main", trouble="origin cannot be reached"))
    notice = Notice(NoticeKind.DRIFTED, "service/web", "", "", COMMIT, "drifted/service/web")
    paper.log.attempted(Attempt("pager", notice, Result.DELIVERED))
    paper.log.attempted(Attempt("pager", notice, Result.RETRIED, "it answered with 503"))
    assert [line.removeprefix(NOON) for line in paper.lines] == [
        " info    push to main why=commit\n",
        " warning origin cannot be reached why=source\n",
        " info    notice delivered target=pager notice=drifted/service/web\n",
        ' warning notice retried target=pager notice=drifted/service/web error="it answered with 503"\n',
    ]


@pytest.mark.parametrize("json", [False, True])
def test_a_secret_that_was_read_never_comes_out(json: bool) -> None:
    paper = Paper(json)
    paper.log.error("the password is hush", detail="hush", where=Location("hush"))
    assert "hush" not in paper.lines[0]
    assert paper.lines[0].count("(sensitive)") == 3


def test_a_long_value_is_cut() -> None:
    paper = Paper()
    paper.log.info("x", detail="y" * 100_000)
    assert len(paper.lines[0]) < 2_100


@settings(max_examples=80, deadline=None)
@given(st.text(st.characters(), max_size=50), st.booleans())
@example("\r\n::error::\x1b[2J\u202e\udcff\0", False)
@example('" level=info message="all is well', False)
def test_a_line_stays_one_line_and_shows_what_is_hidden(text: str, json: bool) -> None:
    paper = Paper(json)
    paper.log.info(text, detail=text)
    (line,) = paper.lines
    assert line.endswith("\n")
    assert len(line.splitlines()) == 1
    assert line.removesuffix("\n").isprintable() or not text.isprintable()
    if not json:
        assert not line.startswith(("::", "##"))


@pytest.fixture
def root_logger() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before


@pytest.mark.usefixtures("root_logger")
def test_what_libraries_say_goes_the_same_way() -> None:
    paper = Paper(json=True)
    paper.log.take_over()
    logging.getLogger("opentelemetry.sdk").error("no %s", "route")
    logging.getLogger("urllib3").debug("chatter")
    assert paper.read() == [{"time": NOON, "level": "error", "message": "no route", "library": "opentelemetry.sdk"}]
