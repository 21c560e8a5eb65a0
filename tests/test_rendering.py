"""Rendered bodies: what reaches the page, what never does, and our own HTML."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.utils.safestring import SafeString
from hypothesis import given, settings
from hypothesis import strategies as st

from entries.text import rendering, urls
from entries.text.limits import MAX_BODY_LENGTH
from entries.text.rendering import (
    BodyError,
    ParsedBody,
    image_names,
    plain_text,
    render,
    tidy,
)
from tests.attacks import dangers, families
from tests.seeds import examples

ATTACKS = families()
FIGURES = {
    "fog": "<figure>Fog</figure>",
    "quay": "<figure>Quay</figure>",
    "dome": "<figure>Dome</figure>",
}
SEE = '<p class="see">See <a href="/stories/fog/">Fog in Sorrava</a></p>'
# What an attacker types most: marks, brackets, quotes, the ends of tags.
HOSTILE = st.lists(
    st.sampled_from(
        [
            *("<", ">", "</", "/>", "<!--", "-->", "<![CDATA[", "]]>", "<?", "&", "&#"),
            *("x3a;", "&colon;", "&lt;", "&quot;", '"', "'", "`", "=", "/", "\\", ":"),
            *("[", "](", ")", "![", "(", "]", "*", "**", "_", "~~", "|", "#", ">", "-"),
            *("\n", "\n\n", "\t", "    ", " ", "\x00", "\x02", "\x03", "\r", "\u2028"),
            *("a", "img", "svg", "style", "script", "math", "table", "p", "pre", "td"),
            *("href", "src", "onerror", "id", "hx-get", "javascript:", "data:", "1. "),
            *("https://harbour.example/", "mailto:a@harbour.example", "image:fog"),
            *("```\n", "| a | b |\n|---|---|\n", "- ", "> ", "{", "}", "%", "\ud800"),
        ]
    ),
    max_size=40,
).map("".join)


def without_boxes(shown: str) -> str:
    """Return rendered HTML without the boxes in which its tables scroll."""
    return re.sub('<div class="table" [^>]*>(<table>.*?</table>)</div>', r"\1", shown)


# What an author cannot do


@pytest.mark.parametrize("family", ATTACKS)
def test_attacks_render_only_text_and_links(family: str) -> None:
    shown = {attack: dangers(render(attack)) for attack in ATTACKS[family]}

    assert {attack: found for attack, found in shown.items() if found} == {}


@pytest.mark.parametrize("family", ATTACKS)
def test_the_parser_alone_stops_every_attack(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "_clean", tidy)

    shown = {attack: dangers(render(attack)) for attack in ATTACKS[family]}

    assert {attack: found for attack, found in shown.items() if found} == {}


@pytest.mark.parametrize("wall", ["_bleached", "_washed"])
@pytest.mark.parametrize("family", ATTACKS)
def test_each_cleaner_alone_stops_every_attack(family: str, wall: str) -> None:
    clean = getattr(rendering, wall)

    shown = {attack: dangers(tidy(clean(tidy(attack)))) for attack in ATTACKS[family]}

    assert {attack: found for attack, found in shown.items() if found} == {}


def test_nh3_stops_a_url_that_bleach_considers_harmless(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(urls, "is_safe", lambda address: True)
    attack = '<a href="javascript:4`é`2">words</a>'

    assert "javascript:" in rendering._bleached(attack)
    assert "javascript:" not in rendering._clean(attack)


def test_our_own_check_stops_a_url_that_both_cleaners_allow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attack = '<a href="//evil.example/x">words</a>'

    assert "evil.example" not in rendering._clean(attack)
    monkeypatch.setattr(urls, "is_safe", lambda address: True)
    assert "evil.example" in rendering._clean(attack)


@settings(max_examples=examples(400), deadline=None)
@given(HOSTILE)
def test_random_input_is_not_dangerous(body: str) -> None:
    shown = render(body)

    assert dangers(shown) == []
    shown = without_boxes(shown)
    assert rendering._clean(shown) == shown


@pytest.mark.parametrize("family", ATTACKS)
def test_cleaning_again_changes_nothing(family: str) -> None:
    for attack in ATTACKS[family][::7]:
        shown = without_boxes(render(attack))
        assert rendering._clean(shown) == shown


def test_a_typed_script_is_rendered_as_text() -> None:
    typed = "They hid <script>steal(1)</script> in the page &amp; it ran."

    shown = render(typed)

    assert "<script" not in shown
    assert plain_text(shown) == typed


def test_links_have_nofollow_and_noopener() -> None:
    shown = render("Read [the notice](https://harbour.example/notice).")

    assert shown == (
        '<p>Read <a href="https://harbour.example/notice" rel="nofollow noopener">'
        "the notice</a>.</p>"
    )


def test_authors_cannot_forge_placeholders_of_trusted_html() -> None:
    token = "0123456789abcdef0123456789abcdef"
    body = f"{token}0\n\n<p>{token}0</p>\n\n![](image:fog)"

    assert render(body, FIGURES).count("<figure>") == 1


def test_trusted_html_is_inserted_unchanged() -> None:
    figure = r'<figure id="f" hx-get="/x"><img srcset="a 1x">\1 \g<0> &nbsp;</figure>'

    assert render("![](image:fog)", {"fog": figure}) == figure


def test_the_html_is_marked_safe_for_templates() -> None:
    assert isinstance(render("Fog."), SafeString)


# Pictures


def test_an_image_replaces_its_line() -> None:
    assert render("Before.\n\n![](image:fog)\n\nAfter.", FIGURES) == (
        "<p>Before.</p>\n<figure>Fog</figure>\n<p>After.</p>"
    )


def test_an_image_between_lines_splits_their_paragraph() -> None:
    assert render("Before.\n  ![the fog](image:fog) \nAfter.\nMore.", FIGURES) == (
        "<p>Before.</p>\n<figure>Fog</figure>\n<p>After.<br>More.</p>"
    )


def test_images_in_succession_are_grouped() -> None:
    body = "![](image:fog)\n![](image:quay)\n\n![](image:dome)\n\nAfter."

    assert render(body, FIGURES) == (
        '<div class="figures"><figure>Fog</figure><figure>Quay</figure>'
        "<figure>Dome</figure></div>\n<p>After.</p>"
    )


def test_a_missing_image_renders_nothing() -> None:
    body = "Before.\n\n![](image:lost)\n![](image:fog)\n\n![](image:gone)"

    assert render(body, FIGURES) == "<p>Before.</p>\n<figure>Fog</figure>"
    assert render("![](image:lost)") == ""


def test_an_image_after_a_list_is_rendered_below_it() -> None:
    assert render("- one\n- two\n![](image:fog)", FIGURES) == (
        "<ul><li>one</li><li>two</li></ul>\n<figure>Fog</figure>"
    )


@pytest.mark.parametrize(
    "body",
    [
        "See ![](image:fog) there.",
        "> ![](image:fog)",
        "- ![](image:fog)",
        "# ![](image:fog)",
        "| ![](image:fog) | b |\n|---|---|",
        "\\![](image:fog)",
        "![](image:)",
        "![](image:a b)",
        "![](IMAGE:fog)",
        "![](image:fog",
    ],
)
def test_elsewhere_the_markup_of_an_image_stays_text(body: str) -> None:
    shown = render(body, FIGURES)

    assert "<figure>" not in shown
    assert "](" in plain_text(shown)
    assert image_names(body) == []


@pytest.mark.parametrize(
    "body",
    ["```\n![](image:fog)\n```", "`![](image:fog)`", "a\n\n```\n\n![](image:fog)\n```"],
)
def test_code_may_contain_the_markup_of_an_image(body: str) -> None:
    assert "![](image:fog)</code>" in render(body, FIGURES)
    assert image_names(body) == []


def test_image_names_are_in_order_and_unique() -> None:
    body = (
        "![](image:quay)\ntext\n![](image:fog)\n\n![x](image:quay)\n![](image:no-1.b)"
    )

    assert image_names(body) == ["quay", "fog", "no-1.b"]


@settings(max_examples=examples(200), deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                *("![](image:fog)", "![a](image:quay)", "text", "- a", "> b", "```"),
                *("", "    ", "1. a", "2. b", "# h", "| a |", "|---|", "`", "---"),
            ]
        ),
        max_size=14,
    ).map("\n".join)
)
def test_image_names_are_those_that_are_rendered(body: str) -> None:
    shown = render(body, FIGURES)

    drawn = {name for name, figure in FIGURES.items() if figure in shown}
    assert set(image_names(body)) == drawn


# Lines of ours


def test_a_trusted_line_replaces_its_paragraph() -> None:
    body = "Fog.\n\nSee  Sorrava Daily: Fog \n\nMore."

    assert render(body, lines={" See Sorrava Daily:  Fog": SEE}) == (
        f"<p>Fog.</p>\n{SEE}\n<p>More.</p>"
    )


def test_a_trusted_line_matches_escaped_marks() -> None:
    lines = {"See Sorrava Daily: 5 *Star* Fog": SEE}

    assert render(r"See Sorrava Daily: 5 \*Star\* Fog", lines=lines) == SEE


@pytest.mark.parametrize(
    "body",
    [
        "> See Fog",
        "- See Fog",
        "# See Fog",
        "```\nSee Fog\n```",
        "`See Fog`",
        "See Fog\nand more",
        "Also: See Fog",
        "See Fog.",
    ],
)
def test_elsewhere_a_line_stays_text(body: str) -> None:
    assert SEE not in render(body, lines={"See Fog": SEE})


# What cannot be shown


def test_a_body_at_the_limit_is_rendered_and_a_longer_one_is_refused() -> None:
    assert render("f" * MAX_BODY_LENGTH)
    with pytest.raises(BodyError, match=r"20,001 characters.*several updates"):
        render("f" * (MAX_BODY_LENGTH + 1))
    with pytest.raises(BodyError):
        ParsedBody("f" * (MAX_BODY_LENGTH + 1))


def test_line_breaks_with_two_characters_count_once() -> None:
    assert render("f\r\n" * (MAX_BODY_LENGTH // 2))


@pytest.mark.parametrize("mark", ["> ", ">", "- ", "* ", "1. ", "> - ", "- > 1. "])
def test_deep_nesting_is_refused_with_a_message(mark: str) -> None:
    with pytest.raises(BodyError, match=r"inside each other\. Take some"):
        render(mark * 300 + "x")


def test_an_exception_of_the_parser_becomes_a_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def give_up(*args: object) -> None:
        raise RecursionError

    monkeypatch.setattr(rendering.markdown.Parser, "blocks", give_up)

    with pytest.raises(BodyError, match="too entangled"):
        render("Fog.")


SLOW_UNITS = [
    *(
        "[",
        "![[",
        "[[a]",
        "[a](",
        "*a **b ",
        "***a*** _",
        "`a ``b ",
        "\\",
        "&",
        "> a\n",
    ),
    *(
        "- a\n\n",
        "# a\n",
        "a|b\n-|-\n",
        "a|b\n-|-\n\n",
        "`a`|",
        "```a\n",
        "\n",
        "https://a.b )",
        "~~a",
    ),
]


@pytest.mark.parametrize("unit", SLOW_UNITS)
def test_no_body_takes_long_to_parse(unit: str) -> None:
    body = (unit * MAX_BODY_LENGTH)[:MAX_BODY_LENGTH]

    began = time.process_time()
    render(body)

    assert time.process_time() - began < 5  # seconds; usually one at most


@pytest.mark.parametrize("unit", ["*", "1,", "- ", "1 ", "\\", "`"])
def test_no_cell_of_a_table_takes_long_to_be_told_from_a_number(unit: str) -> None:
    body = f"|a|b|\n|-|-|\n|1|{unit * 4000}x|"

    began = time.process_time()
    render(body)

    assert time.process_time() - began < 0.5


def test_an_oversized_body_is_refused_at_once() -> None:
    began = time.process_time()
    with pytest.raises(BodyError):
        render("[" * 5_000_000)

    assert time.process_time() - began < 1


# Characters


def test_control_characters_never_come_out() -> None:
    shown = render("Fo\x00g o\x1fn the\x7f qu\ud800ay\x9f.\ufffe")

    assert shown == "<p>Fog on the quay.</p>"


@pytest.mark.parametrize("end", ["\r\n", "\r", "\x0b", "\x0c", "\x85"])
def test_every_kind_of_line_break_is_normalized(end: str) -> None:
    assert (
        render(f"Fog.{end}More.{end}{end}End.") == "<p>Fog.<br>More.</p>\n<p>End.</p>"
    )


@settings(max_examples=examples(200), deadline=None)
@given(st.text(st.characters(exclude_categories=[])))
def test_a_tidied_text_can_be_stored(text: str) -> None:
    tidied = tidy(text)

    tidied.encode()
    assert not {"\x00", "\r"} & set(tidied)
    assert tidy(tidied) == tidied


@pytest.mark.parametrize(
    "text",
    [
        "Mevlâna Çelik: “Ağır sis” — ‘dün’…",
        "أُغلِقَ ميناء إيلاريا صباح اليوم، و«السفن» تنتظر.",
        "נמל אילריה נסגר — “ערפל”.",
        "サルヴァ港は閉鎖された。「霧」",
        "ท่าเรือปิดเพราะหมอก",
        "zu\u00a0spät, 10\u202f000\u00a0Menschen, «\u00a0brume\u00a0»",
        "👩🏽‍🚒 👨‍👩‍👧‍👦 🏴󠁧󠁢󠁳󠁣󠁴󠁿 1️⃣",
        "e\u0301 q\u0307\u0323 \u200fR\u200eL\u2066x\u2069 soft\u00adhyphen \ufeff.",
    ],
)
def test_every_script_comes_out_as_typed(text: str) -> None:
    assert render(text) == f"<p>{text}</p>"


# Plain text


def test_plain_text_has_a_line_for_each_block_and_break() -> None:
    body = "# Fog\n\nOne &\ntwo.\n\n- a\n- b\n\n> c\n\n| d | e |\n|---|---|\n| f | g |"

    assert plain_text(render(body)) == "Fog\nOne &\ntwo.\na\nb\nc\nd e\nf g"


def test_plain_text_keeps_the_numbers_of_lists() -> None:
    body = "1. one\n2. two\n    - x\n    - y\n3. three"

    assert plain_text(render(body)) == "1. one\n2. two\nx\ny\n3. three"


def test_plain_text_has_the_captions_of_figures_and_no_marks() -> None:
    figure = '<figure><img alt="a" src="x"><figcaption>Fog <small>Ada</small></figure>'

    assert plain_text(render("*Now:*\n![](image:a)", {"a": figure})) == "Now:\nFog Ada"


def test_plain_text_keeps_code_apart() -> None:
    assert plain_text(render("```\na\n\n<b>\n```")) == "a\n<b>"


# Threads


def test_many_threads_render_at_once() -> None:
    bodies = [f"*{n}* [fog](https://harbour.example/{n})\n\n- {n}" for n in range(60)]
    alone = [render(body) for body in bodies]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(render, bodies))

    assert together == alone
