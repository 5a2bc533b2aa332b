from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.record import Record, RecordedState, Status
from reconciler.render.escape import headline
from reconciler.render.graph import render_dot, render_mermaid
from reconciler.render.state_json import render_state
from reconciler.render.state_text import render_record, render_records
from reconciler.render.style import PLAIN, Style
from reconciler.render.table import render_table

GRAPH = {
    "service/search-api": ("engine/duckdb", "config/app"),
    "engine/duckdb": (),
    'software/easy "app" #1': ("service/search-api",),
}
ROWS = [("service/search-api", "running", "ok"), ("日本/サービス", "stopped", "failed: \x1b[2J"), ("a/b", "x", "")]


def test_graphs(golden: Any) -> None:
    golden("graph.dot", render_dot(GRAPH))
    golden("graph.mmd", render_mermaid(GRAPH))


@given(st.dictionaries(st.text(), st.lists(st.text(), max_size=3), max_size=4))
@settings(max_examples=60)
def test_no_name_breaks_out_of_a_graph(graph: dict[str, list[str]]) -> None:
    nodes = graph.keys() | {target for targets in graph.values() for target in targets}
    edges = sum(map(len, graph.values()))
    assert len(render_dot(graph).split("\n")) == 5 + len(nodes) + edges
    mermaid = render_mermaid(graph).split("\n")
    assert len(mermaid) == 2 + len(nodes) + edges
    assert all(line.count('"') in (0, 2) for line in mermaid)


def test_tables(golden: Any) -> None:
    headers = ("ADDRESS", "STATE", "STATUS")
    golden("table.txt", render_table(headers, ROWS, PLAIN))
    golden("table.ansi", render_table(headers, ROWS, Style(color=True)))


def test_the_last_column_is_cut_to_the_terminal() -> None:
    lines = render_table(("A", "B"), [("x", "y" * 100)], PLAIN, columns=20).splitlines()
    assert lines == ["A  B", "x  " + "y" * 16 + "…"]


def test_a_table_without_rows_is_its_head() -> None:
    assert render_table(("A", "B"), [], PLAIN) == "A  B\n"


def test_records_tell_what_is_wrong_with_them(golden: Any) -> None:
    well = Record("config/a", "Config", "present", Status.OK, "f1", b"{}", source="a.yaml:1")
    error = "it ended with 3 before it was ready; its last lines:\n\x1b[2J\n::error::no room\n"
    failed = Record("service/b", "Service", "installed", Status.FAILED, "f2", b"{}", source="b.yaml:1", error=error)
    drifted = well._replace(address="config/c", status=Status.DRIFTED, error="mode 0600, should be 0644")
    golden("records.txt", render_records([well, failed, drifted], PLAIN))
    golden("record.txt", render_record(failed, PLAIN) + render_record(drifted, PLAIN))
    assert "MESSAGE" not in render_records([well], PLAIN)
    assert render_records([], PLAIN) == "Nothing is recorded.\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("no room\n", "no room"),
        ("\none\n\x1b[2J", "one (and 1 more line)"),
        ("::error::\na\nb", ":\\:error:: (and 2 more lines)"),
    ],
)
def test_a_headline_is_the_first_line(text: str, shown: str) -> None:
    assert headline(text) == shown


def test_a_state_is_written_by_address(golden: Any) -> None:
    manifest = orjson.dumps({"kind": "Config", "metadata": {"name": "a", "labels": {"t": "x"}}, "spec": {"k": 1}})
    records = (
        Record("service/b", "Service", "stopped", Status.FAILED, "f2", b"", b'["config/a"]', error="exit status 1"),
        Record("config/a", "Config", "present", Status.OK, "f1", manifest, b"[]", "registry.d/a.yaml:1", "4b82", 3),
    )
    state = RecordedState("1f0c", 7, {record.address: record for record in records})
    golden("state.json", render_state(state))
