"""Markdown of bodies: what is markup, and that everything else stays as typed."""

from __future__ import annotations

import re
import time
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entries.text.rendering import (
    escape_markdown,
    plain_text,
    render,
    tidy,
    unescape_markdown,
)
from tests.seeds import examples

NOTICE = '<a href="https://harbour.example/" rel="nofollow noopener">'

# Text of which much would be markup, and text of any kind at all.
MARKED = st.lists(
    st.sampled_from(
        [
            *(
                "*",
                "**",
                "***",
                "_",
                "__",
                "~~",
                "`",
                "``",
                "```",
                "\\",
                "[",
                "](",
                ")",
            ),
            *("![", "https://harbour.example", "mailto:a@b.example", "image:fog", "("),
            *(" ", " ", "\n", "\n", "\n\n", "    ", "\t", "#", "## ", "- ", "+ ", "* "),
            *("1. ", "2. ", "3. ", "2016. ", "> ", ">", "|", "|--|", "-|-", "a|b"),
            *("---", "***", "===", "a", "b", "“x”", "é", "港", "\u00a0", "\u2028"),
            *("&amp;", "&", "<b>", "</p>", "'", '"', ".", "!", ":", "\x00", "\r"),
        ]
    ),
    max_size=24,
).map("".join)
TEXT = st.one_of(MARKED, st.text(max_size=80))


def words(text: str) -> list[str]:
    return text.split()


# What editors mean as markup


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("*fog* and _mist_", "<p><em>fog</em> and <em>mist</em></p>"),
        (
            "**fog** and __mist__",
            "<p><strong>fog</strong> and <strong>mist</strong></p>",
        ),
        ("***fog***", "<p><strong><em>fog</em></strong></p>"),
        ("**dense *fog* now**", "<p><strong>dense <em>fog</em> now</strong></p>"),
        ("*dense **fog** now*", "<p><em>dense <strong>fog</strong> now</em></p>"),
        ("_**fog**_", "<p><em><strong>fog</strong></em></p>"),
        ("~~clear~~ foggy", "<p><del>clear</del> foggy</p>"),
        (
            "“*fog*”, (*fog*)—*fog*",
            "<p>“<em>fog</em>”, (<em>fog</em>)—<em>fog</em></p>",
        ),
        ("*fog\nand mist*", "<p><em>fog<br>and mist</em></p>"),
        ("港は**閉鎖**された", "<p>港は<strong>閉鎖</strong>された</p>"),
        ("**항구**에서", "<p><strong>항구</strong>에서</p>"),
        ("今日は**太字**。", "<p>今日は<strong>太字</strong>。</p>"),
        ("**太字。**次", "<p><strong>太字。</strong>次</p>"),
        ("彼は**「太字」**と", "<p>彼は<strong>「太字」</strong>と</p>"),
        ("他说：**“你好。”**然后", "<p>他说：<strong>“你好。”</strong>然后</p>"),
        ("*斜体*、_斜体_です", "<p><em>斜体</em>、<em>斜体</em>です</p>"),
        ("그는**“안녕”**이라고", "<p>그는<strong>“안녕”</strong>이라고</p>"),
        ("ข่าว**ด่วน**นี้", "<p>ข่าว<strong>ด่วน</strong>นี้</p>"),
        ("བོད་**ཡིག**་ནི", "<p>བོད་<strong>ཡིག</strong>་ནི</p>"),
        ("हिन्दी **मोटा**।", "<p>हिन्दी <strong>मोटा</strong>।</p>"),
        ("**عاجل**، _خبر_؟", "<p><strong>عاجل</strong>، <em>خبر</em>؟</p>"),
        ("`a * <b> \\* c`", "<p><code>a * &lt;b&gt; \\* c</code></p>"),
        ("``a ` b``", "<p><code>a ` b</code></p>"),
        ("[fog](https://harbour.example/)", f"<p>{NOTICE}fog</a></p>"),
        (
            "[**fog**](https://harbour.example/)",
            f"<p>{NOTICE}<strong>fog</strong></a></p>",
        ),
        ("![fog](https://harbour.example/)", f"<p>{NOTICE}fog</a></p>"),
        (
            "![](https://harbour.example/)",
            f"<p>{NOTICE}https://harbour.example/</a></p>",
        ),
        (
            '[a](https://harbour.example/ "The notice")',
            '<p><a href="https://harbour.example/" title="The notice"'
            ' rel="nofollow noopener">a</a></p>',
        ),
        ("one\ntwo", "<p>one<br>two</p>"),
        ("one\n\n\n\ntwo", "<p>one</p>\n<p>two</p>"),
        ("# Fog", "<h3>Fog</h3>"),
        ("## Fog ##", "<h3>Fog</h3>"),
        ("### Fog in C#", "<h4>Fog in C#</h4>"),
        ("###### Fog", "<h4>Fog</h4>"),
        ("a\n# Fog\nb", "<p>a</p>\n<h3>Fog</h3>\n<p>b</p>"),
        ("a\n\n---\n\nb", "<p>a</p>\n<hr>\n<p>b</p>"),
        ("* * *", "<hr>"),
        ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
        ("- a\n    - b\n- c", "<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>"),
        ("1. a\n2. b", "<ol><li>a</li><li>b</li></ol>"),
        ("1. a\n\n2. b", "<ol><li><p>a</p></li><li><p>b</p></li></ol>"),
        (
            "1. a\n2. b\n\n1. c\n2. d",
            "<ol><li>a</li><li>b</li></ol>\n<ol><li>c</li><li>d</li></ol>",
        ),
        ("> fog\n> mist", "<blockquote><p>fog<br>mist</p></blockquote>"),
        ("> - a\n> - b", "<blockquote><ul><li>a</li><li>b</li></ul></blockquote>"),
        ("```python\na\n\n  <b>\n```", "<pre><code>a\n\n  &lt;b&gt;</code></pre>"),
        ("````\n```\n````", "<pre><code>```</code></pre>"),
        (r"\*fog\* \# \_x\_ \[a\] 1\. \> \- \|", "<p>*fog* # _x_ [a] 1. &gt; - |</p>"),
    ],
)
def test_markup_is_rendered(body: str, shown: str) -> None:
    assert render(body) == shown


# Tables


def table(body: str) -> ET.Element:
    """Return the table that a body is rendered as, which is in a box of its own."""
    shown = render(body)
    box = ET.fromstring(shown)
    assert (box.tag, box.get("class"), box.get("tabindex")) == ("div", "table", "0")
    return box[0]


def cells(body: str) -> list[list[tuple[str, ...]]]:
    """Return what the cells of a table are: their tag, alignment and scope."""
    return [
        [(cell.tag, *map(str, cell.attrib.values())) for cell in row]
        for row in table(body).iter("tr")
    ]


def test_a_table_has_the_alignment_that_was_typed() -> None:
    assert cells("| a | b | c |\n|:--|--:|:-:|\n| `x|y` | \\| | 2 |") == [
        [("th", "left", "col"), ("th", "right", "col"), ("th", "center", "col")],
        [("th", "left", "row"), ("td", "right"), ("td", "center")],
    ]


@pytest.mark.parametrize(
    "number",
    ["3", "12,345", "45.6%", "−3.4", "+12", "**7**", "£3.5m", "1 204", "(12)", "١٢٣"],
)
def test_columns_of_numbers_are_aligned_to_the_right(number: str) -> None:
    rows = cells(f"| Party | Votes |\n|---|---|\n| Tide | {number} |\n| Lamp | – |")
    assert rows == [
        [("th", "col"), ("th", "right", "col")],
        [("th", "row"), ("td", "right")],
        [("th", "row"), ("td", "right")],
    ]


@pytest.mark.parametrize(
    "words", ["3 boats", "x", "18:00", "2026-03-14", "3–1", "12th"]
)
def test_columns_with_other_text_are_not_numbers(words: str) -> None:
    rows = cells(f"| Party | Votes |\n|---|---|\n| Tide | 3 |\n| Lamp | {words} |")
    assert rows == [[("th", "col")] * 2, [("td",)] * 2, [("td",)] * 2]


def test_a_first_column_without_a_header_has_the_headers_of_the_rows() -> None:
    assert cells("| | Won |\n|-|-|\n| Tide | the port |\n| Lamp | the hill |") == [
        [("td",), ("th", "col")],
        [("th", "row"), ("td",)],
        [("th", "row"), ("td",)],
    ]


def test_numbers_in_the_first_column_are_no_headers() -> None:
    rows = cells(
        "| Pos | Team | P |\n|---|---|---|\n| 1 | Tide | 3 |\n| 2 | Lamp | 0 |"
    )
    assert rows[1] == [("td", "right"), ("td",), ("td", "right")]


def test_the_box_of_a_table_is_named_after_its_columns() -> None:
    shown = render('| A "B" <c> | *D* |\n|-|-|\n| 1 | 2 |\n\n|||\n|-|-|\n| 1 | 2 |')
    assert re.findall('aria-label="(.*?)">', shown) == [
        "Table: A &quot;B&quot; &lt;c&gt;, D",
        "Table",
    ]


def test_a_table_in_a_quotation_has_a_box_too() -> None:
    shown = render("> | a | b |\n> |---|---|\n> | x | 2 |\n\nAfter.")
    assert shown.startswith('<blockquote><div class="table"')
    assert shown.endswith("</table></div></blockquote>\n<p>After.</p>")


def test_the_markup_of_a_table_cannot_leave_its_box() -> None:
    title = "</table></div><table><img src=x onerror=alert(1)>"
    shown = render(f'| [a](http://a.example/ "{title}") | b |\n|-|-|\n| 1 | 2 |')
    link = next(ET.fromstring(shown).iter("a"))
    assert link.get("title") == title
    assert shown.count("<table>") == shown.count("</table></div>") == 1


# What stays as it was typed

PROSE = [
    "#Sorrava is the word of the day, and # alone is none.",
    "2016. It was the year of the fog.",
    "1. Mai war ein Feiertag in Saltgate.",
    "1. FC Saltgate\n1. FC Sorrava",
    "12. The last of the ferries.\n13. None came after.",
    "01. Juni\n02. Juni",
    "1. born in\n14. March 2026",
    "5*3*2 is thirty, and 2**3**2 is more.",
    "snake_case_word, _alone and __two, a_b_c and a__b__c",
    "@_harbour_ said so, and @fog_.",
    "A * alone, 5 * 3 * 2, A* and B* trees, (*) and (*)",
    "price* and *excluding the ferry\n**including the quay",
    "f**k this and s**t that, f***ing fog",
    "al-Ra`di, al-Hu`ma and `Ain al-Fog",
    "He asked `why and left.",
    "~~ roughly ~~ and ~5 ~6~7",
    "[The crew] will be heard [sic] at noon [1][2].",
    '[x]: something to remember\n[2]: https://harbour.example/ "The notice"',
    "[^1] and [^1]: a note\n*[FOG]: Fear of ghosts",
    "[words](no address) and [words] (https://harbour.example) and [](x)",
    "[words](/admin/) and [words](harbour.example) and [words](ftp://harbour.example)",
    "C:\\new\\table and \\\\host\\share and a\\b and 1\\2 and \\",
    "&amp; &copy; &#65; &nbsp; & AT&T a&b &;",
    "a < b and c > d, 1 <2> 3, <3, </3, <-, ->, <=>",
    "<b>fog</b> <br> <!-- no --> <a href='x'>y</a> <img src=x> <unclosed",
    "    Indented by four.\n        And by eight.",
    "\tIndented by a tab.\n\n\t\t- by two",
    "Fog\n===\nMist\n---\nRain\n- - -",
    "---\nFog between\n---",
    ">50 dead, >=3 missing\n>5 more",
    "-5 degrees\n+3 in the sun\n-no list, *no list, 1.no list, 1.5 and 2.5",
    "* Not her real name.",
    "- 5 degrees overnight",
    "+ 3",
    "> 50% of votes\n> $5m",
    "a | b | c\nd | e | f",
    "| a | b |\n| c | d |",
    "{: .fog #fog } [TOC] ::: fog ::: :fog: ==fog== ^fog^ ++fog++ $fog$ {{ fog }}",
    "~~~\nNo fence either.\n~~~",
    "Ends with a backslash\\\nand goes on",
    "Fog  \nwith two blanks",
    "(c) (r) -- --- ... \"quotes\" 'quotes' 1/2 <<x>>",
    "Update 18:00 — “We’re closed”, said Ilse Varnholm’s office… #fog @harbour $5 100%",
]
# Text as well, but so close to markup that escaping it does no harm.
NEARLY = [
    "a | b\n--|--\n1 | 2 | and what else was said",
    "```\nA fence without an end.",
    "``` fog ``",
]


@pytest.mark.parametrize("prose", PROSE + NEARLY)
def test_prose_comes_out_as_typed(prose: str) -> None:
    assert words(plain_text(render(prose))) == words(prose)


def test_a_rule_needs_its_own_line_and_empty_lines_around_it() -> None:
    assert render("Fog\n---\n\n----\n\n- - -x") == (
        "<p>Fog<br>---</p>\n<hr>\n<p>- - -x</p>"
    )


def test_indented_text_is_not_code() -> None:
    assert render("    Indented by four.") == "<p>Indented by four.</p>"


def test_a_table_of_too_many_columns_stays_text() -> None:
    wide = "|a" * 100 + "|\n" + "|-" * 100 + "|"

    assert "<table>" not in render(wide)
    assert words(plain_text(render(wide))) == words(wide)


def test_numbered_lists_continue_only_with_the_next_number() -> None:
    assert render("1. a\n2. b\n\nBetween.\n\n3. c") == (
        "<ol><li>a</li><li>b</li></ol>\n<p>Between.</p>\n<p>3. c</p>"
    )


# Escaping


@pytest.mark.parametrize("prose", PROSE)
def test_prose_without_markup_is_unchanged(prose: str) -> None:
    if "\\" not in prose:
        assert escape_markdown(prose) == prose


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("Çelik said: “Sis — *dün*” at 5*3", r"Çelik said: “Sis — \*dün\*” at 5\*3"),
        ("# Fog\n#Fog", "\\# Fog\n#Fog"),
        ("> quoted", r"\> quoted"),
        ("- one\n- two", "\\- one\n- two"),
        ("1. one\n2. two", "1\\. one\n2. two"),
        ("1. one\n\n2. two", "1\\. one\n\n2. two"),
        ("---", r"\---"),
        ("a | b\n--|--\n1 | 2", "a | b\n--\\|--\n1 | 2"),
        ("![](image:fog)", r"\![](image:fog)"),
        ("[a](https://harbour.example)", r"\[a](https://harbour.example)"),
        ("`code` here", r"\`code\` here"),
        ("```\ncode\n```", "\\`\\`\\`\ncode\n\\`\\`\\`"),
        (r"\*", r"\\*"),
        (r"\\*a*", r"\\\\*a*"),
        ("one *a*\n\n5*3 _b_", "one \\*a\\*\n\n5*3 \\_b\\_"),
    ],
)
def test_only_what_would_be_markup_is_escaped(text: str, source: str) -> None:
    assert escape_markdown(text) == source
    assert words(plain_text(render(source))) == words(text)


@settings(max_examples=examples(600), deadline=None)
@given(TEXT)
def test_escaped_text_is_shown_complete(text: str) -> None:
    assert words(plain_text(render(escape_markdown(text)))) == words(tidy(text))


@settings(max_examples=examples(600), deadline=None)
@given(TEXT)
def test_unescaping_gives_the_text_back(text: str) -> None:
    assert unescape_markdown(escape_markdown(text)) == tidy(text)


def test_a_text_of_any_length_is_escaped() -> None:
    text = "*fog* \\ [x](https://harbour.example)\n" * 20_000

    assert unescape_markdown(escape_markdown(text)) == text


@pytest.mark.parametrize("unit", ["\\", "*a ", "[", "`a", " ", "# a ", "1. a\n", "|"])
def test_escaping_is_quick(unit: str) -> None:
    began = time.process_time()
    escape_markdown((unit * 20_000)[:20_000])

    assert time.process_time() - began < 1  # second
