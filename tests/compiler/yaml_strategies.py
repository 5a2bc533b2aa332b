"""YAML texts for tests: ordinary documents as people write them, and small changes that make them strange."""

from __future__ import annotations

from hypothesis import strategies as st

SCALARS = [
    *("a", "b c", "it's", "a-b", "x_y", "a#b", "a:b", "a, b", "f(x)", "http://x.y/z?q=1&r", "100%", "a/*.py", "Hello!"),
    *(
        "1",
        "-1",
        "+1",
        "0",
        "012",
        "1.5",
        ".5",
        "1.",
        "1e3",
        "-0.0",
        "-0",
        "1 2",
        "1.2.3",
        "9" * 15,
        "9" * 16,
        "9" * 19,
    ),
    *(
        "true",
        "True",
        "tRUE",
        "no",
        "null",
        "~",
        "",
        "1:30",
        "2024-01-01",
        "1_000",
        "_.5",
        "1e_5",
        "0o17",
        "0x1F",
        "0b1",
    ),
    *(
        "'a'",
        "'it''s'",
        "''",
        "'# no'",
        '"a"',
        '"\\n"',
        '"\\""',
        '"\\\\"',
        '"\\u0041"',
        '"\\0"',
        '"a\\',
        "é",
        "\u00a0",
        "日本",
    ),
    *(
        "[]",
        "{}",
        "[a, 'b', \"c\", 1]",
        "{a: 1, b: [x]}",
        "[[a], {b: c}]",
        "{a, b}",
        "[a: b]",
        "[a,]",
        "{a:1}",
        '{"a":1}',
    ),
    *("[a\n  , b]", "{a: {b: {c: d}}}", "*a", "&a b", "!a b", "!!str 1", "<<", "@a", "`a`", "%a", "? a", "- a", "a: b"),
    *(".inf", ".nan", "1e999", "-9223372036854775808", "18446744073709551615", "->", "=>", "a > b", "a | b", ">", "|"),
]
PLAIN = [
    *(
        "a",
        "b c",
        "it's",
        "a-b",
        "a#b",
        "a:b",
        "http://x.y/z",
        "1",
        "-1",
        "012",
        "1.5",
        ".5",
        "1.",
        "1e3",
        "-0.0",
        "true",
    ),
    *(
        "no",
        "1:30",
        "'a'",
        "'it''s'",
        '"a"',
        '"\\n"',
        "[]",
        "{}",
        "[a, 'b', 1]",
        "{a: 1, b: [x]}",
        "{a, b}",
        "é",
        "a, b",
    ),
]
BLOCKS = ["|", "|-", "|+", ">", ">-", ">+", "|2", "> # c", ">-\n"]
LINES = ["one", "two three", "  more", "", "# no comment", "- a", "k: v", " ", "'", "tab\there"]
KEYS = ["a", "b", "c", "name", "x y", "'q'", '"w"', "a.b/c", "é", "1", "true", "<<", "k:k", "? e", "-", "[a]"]
COMMENTS = [*[""] * 9, " # c", "  #c", "#c", " "]
OPENINGS = [*[""] * 12, "# c\n", "\n", "---\n", "--- ", "---\n# c\n\n", "\ufeff", "%YAML 1.2\n---\n", "  ", "...\n"]
ENDINGS = [*["\n"] * 12, "", "\n\n", "\n# c\n", "\n...\n", "\n---\n", "\n---\nb: 1\n", "\n  ", "\n   \n"]
CHANGES = [
    *"ab019 \n\t\r-:,?!&*#|>%@`'\"[]{}\\_~=.",
    *(
        "\n  ",
        "\n- ",
        ": ",
        "- ",
        " #",
        "---\n",
        "...",
        "''",
        '""',
        "null",
        "é",
        "\u00a0",
        "\u2003",
        "\u2028",
        "\u0085",
        "\x00",
    ),
]


@st.composite
def scalars(draw: st.DrawFn, indentation: int) -> str:
    """A scalar or a flow collection, perhaps over several lines, to stand behind `key: `."""
    kind = draw(st.integers(0, 19))
    if kind < 15:
        return draw(st.sampled_from(PLAIN if kind else SCALARS))
    pad = " " * (indentation + draw(st.sampled_from([1, 2, 2, 4])))
    lines = draw(st.lists(st.sampled_from(LINES), max_size=4))
    if draw(st.booleans()):
        return "\n".join(
            [draw(st.sampled_from(BLOCKS[:6] * 4 + BLOCKS)), *(pad + line if line.strip() else line for line in lines)]
        )
    quote = draw(st.sampled_from(["", "'", '"']))
    return quote + ("\n" + pad).join(["one", *lines]) + quote


@st.composite
def blocks(draw: st.DrawFn, indentation: int = 0, depth: int = 0) -> str:
    """A block mapping or list in `indentation` spaces."""
    pad = " " * indentation
    is_mapping = depth == 0 or draw(st.booleans())
    lines = []
    for key in draw(st.lists(st.sampled_from(KEYS[:9] * 12 + KEYS[9:]), min_size=1, max_size=4, unique=True)):
        start = pad + (key + ":" if is_mapping else "-")
        comment = draw(st.sampled_from(COMMENTS))
        if depth < 3 and draw(st.integers(0, 2)) == 0:
            step = draw(st.sampled_from([0, 1, 2, 2, 2, 4]))
            lines.append(f"{start}{comment}\n{draw(blocks(indentation + step, depth + 1))}")
        else:
            lines.append(f"{start} {draw(scalars(indentation))}{comment}")
    return "\n".join(lines)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """An ordinary document, or nearly one."""
    text = draw(st.sampled_from(OPENINGS)) + draw(blocks()) + draw(st.sampled_from(ENDINGS))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1]))):
        start = draw(st.integers(0, len(text)))
        text = text[:start] + draw(st.sampled_from(CHANGES)) + text[start + draw(st.sampled_from([0, 0, 1, 3])) :]
    return text
