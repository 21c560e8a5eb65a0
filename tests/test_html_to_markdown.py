"""HTML of other systems becomes our Markdown, without the loss of a word."""

from __future__ import annotations

import html
import re
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entries.exchange.archives.html_to_markdown import Converted, to_markdown
from entries.exchange.archives.html_tree import FALLBACK, HIDDEN, MAX_DEPTH
from entries.text import rendering
from tests.seeds import examples
from tests.visible_words import visible_characters, visible_words

pytestmark = pytest.mark.pure
PAGE = "https://www.ilaria-post.example/2016/12/storm/"


def convert(source: str) -> Converted:
    return to_markdown(source, PAGE)


def rendered(source: str) -> str:
    return str(rendering.render(convert(source).markdown))


# --- What becomes of the elements


@pytest.mark.parametrize(
    ("source", "markdown"),
    [
        ("<p>One<p>Two</p>", "One\n\nTwo"),
        ("<p>One<br>two<br/><br />three</p>", "One\ntwo\n\nthree"),
        ("One <b>bold</b>, <i>slanted</i>.", "One **bold**, _slanted_."),
        ("<em>All of it</em>", "*All of it*"),
        ("<strong>a <em>b</em></strong>", "**a _b_**"),
        ("<del>gone</del> <code>x = 1</code>", "~~gone~~ `x = 1`"),
        ("<b>Hel</b><b>lo</b>", "**Hello**"),
        ("<b> spaced </b>out", "**spaced** out"),
        ("con<em>cert</em>o", "concerto"),
        ("<b><p>One</p><p>Two</p></b>", "**One**\n\n**Two**"),
        ('<span style="font-weight:700">b</span>', "**b**"),
        ('<b style="font-weight:normal">plain</b>', "plain"),
        ("<h1>Title</h1><h4>Part</h4>", "## Title\n\n### Part"),
        ("<h2>In C #</h2>", "## In C \\#"),
        ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
        ("<ul><li>a<li>b</ul>", "- a\n- b"),
        ("<ol><li>a<ul><li>b</ul><li>c</ol>", "1. a\n    - b\n2. c"),
        ("<ul><li>a</li><ul><li>b</li></ul><li>c</li></ul>", "- a\n    - b\n- c"),
        (
            "<ol><li>x<ul><li>y<br>z</li></ul>tail</li><li>w</li></ol>",
            "1. x\n    - y\nz\ntail\n2. w",
        ),
        ("<ul><li><ul><li>a</li></ul>tail</li><li>b</li></ul>", "- a\n- tail\n- b"),
        ("<ul><li>one</li></ul>", "one"),
        (
            "<p>a</p><ul><li><b>one</b><br>two</li></ul><p>c</p>",
            "a\n\n**one**\ntwo\n\nc",
        ),
        ("<ul><li>one</li></ul><ul><li>two</li></ul>", "- one\n\n- two"),
        ("<ul><li>one<ul><li>two</li></ul></li></ul>", "- one\n    - two"),
        ("<blockquote><p>One</p><p>Two</p></blockquote>", "> One\n>\n> Two"),
        ("<blockquote>20 people died</blockquote>", "20 people died"),
        ("<hr>", "---"),
        ("<pre><code>a\n\n  *b*</code></pre>", "```\na\n\n  *b*\n```"),
        ("10<sup>6</sup> m<sup>2</sup>, H<sub>2</sub>O", "10⁶ m², H₂O"),
        ("<q>Yes</q>", "“Yes”"),
        ("<dl><dt>Term</dt><dd>Meaning</dd></dl>", "**Term**\n\nMeaning"),
        ("<x-card>Kept <y>too</y></x-card>", "Kept too"),
        ("<markdown-block>Kept</markdown-block> <url-line>too</url-line>", "Kept too"),
        ("<p>a</p><!-- b --><?php c ?>", "a"),
    ],
)
def test_each_element_becomes_its_mark(source: str, markdown: str):
    assert convert(source).markdown == markdown


@pytest.mark.parametrize(
    "text",
    [
        "* Not her real name.",
        "> 50% of votes",
        "> not a quotation",
        "# Mirest",
        "- one",
        "1. Mai",
        "5*3*2 and snake_case and f**k",
        "*not slanted* _neither_ **nor bold**",
        "`no code` and ~~not struck~~",
        "[The crew](https://example.org) may",
        "![alt](image:name)",
        "a|b",
        "---",
        "```",
        r"C:\new \* \_",
        r"¯\_(ツ)_/¯",
        "<b> &amp; &lt;",
        "Wow!",
    ],
)
def test_text_that_looks_like_marks_stays_as_typed(text: str):
    for source in (
        f"<p>{html.escape(text)}</p>",
        f"<ul><li>{html.escape(text)}<li>x</ul>",
    ):
        assert text in rendering.plain_text(rendered(source))
        assert not re.search("<(?:h3|strong|em|code|del|hr)\\b", rendered(source))


def test_two_lines_with_bullets_are_no_list():
    source = "<p>* Not her real name.</p><p>* Nor his.</p>"
    assert "<ul>" not in rendered(source)
    assert rendering.plain_text(rendered(source)).startswith("* Not her real name.")


# --- Links


@pytest.mark.parametrize(
    ("link", "markdown"),
    [
        ('<a href="https://x.example/a_(b)?c=1&amp;d">t</a>',
         "[t](https://x.example/a_(b)?c=1&d)"),
        ('<a href="/tag/storm">t</a>',
         "[t](https://www.ilaria-post.example/tag/storm)"),
        ('<a href="//x.example/">t</a>', "[t](https://x.example/)"),
        ('<a href="mailto:a@x.example">t</a>', "[t](mailto:a@x.example)"),
        ('<a href="https://x.example/a b">[t]</a>',
         r"[\[t\]](https://x.example/a%20b)"),
        ('<a href="https://x.example/">https://x.example/</a>.', "https://x.example/."),
        ('Wow!<a href="https://x.example/">t</a>', r"Wow\![t](https://x.example/)"),
        ('<a href="https://x.example/"><b>t</b></a>', "[**t**](https://x.example/)"),
        ('<a href="https://www.google.com/url?q=https://x.example/a%3Fb&amp;sa=D">t</a>',
         "[t](https://x.example/a?b)"),
        ('<a href="javascript:alert(1)">t</a>', "t"),
        ('<a href=" JaVaScRiPt:alert(1)">t</a>', "t"),
        ('<a href="data:text/html,x">t</a>', "t"),
        ('<a name="x">t</a>', "t"),
    ],
)  # fmt: skip
def test_links_lead_where_they_led(link: str, markdown: str):
    assert convert(link).markdown == markdown


def test_a_link_that_cannot_be_kept_is_listed():
    converted = to_markdown('<a href="/a">One</a> <a href="tel:112">two</a>')
    assert converted.markdown == "One two"
    assert [each.text for each in converted.left_out] == ["/a", "tel:112"]


# --- Tables


def test_a_table_keeps_its_cells_and_header():
    source = """<table><caption>Medals</caption>
        <thead><tr><th>Team<th align=right>Gold|all</thead>
        <tr><th>Corvane<td>3<tr><td rowspan=2>Mirest<td>2<tr><td>1
        <tr><td colspan=2>Final</table>"""
    assert convert(source).markdown == (
        "Medals\n\n| Team | Gold\\|all |\n| --- | ---: |\n| **Corvane** | 3 |\n"
        "| Mirest | 2 |\n|  | 1 |\n| Final |  |"
    )
    assert rendered(source).count("<th") == 2 + 1  # thead


def test_text_in_no_cell_of_a_table_is_above_it():
    source = "<table>x|y<tr><td>a</td><td>b</td></tr></table>"
    assert convert(source).markdown == "x|y\n\n| a | b |\n| --- | --- |"


def test_a_table_that_only_arranges_its_contents_is_dissolved():
    source = "<table><tr><td><ul><li>a<li>b</ul><td><p>c</p></table>"
    assert convert(source).markdown == "- a\n- b\n\nc"


# --- Pictures


def test_a_picture_with_its_caption_and_credit():
    converted = convert(
        '<p>Before <a href="/f/quay.jpg"><img src="/f/quay-300x200.jpg" alt="A quay">'
        "</a> after</p><figure><img data-src='b.png' src='data:image/gif;base64,R0'>"
        "<figcaption>Boats <a href='/x'>wait</a> <span class='credit'>Photo: Ana</span>"
        "</figcaption></figure>"
    )
    quay, boats = converted.images
    assert (quay.url, quay.alt) == (
        "https://www.ilaria-post.example/f/quay.jpg",
        "A quay",
    )
    assert (boats.caption, boats.credit) == ("Boats wait", "Photo: Ana")
    lines = [f"![](image:{quay.name})", f"![](image:{boats.name})"]
    assert converted.markdown == f"Before\n\n{lines[0]}\n\nafter\n\n{lines[1]}"
    assert [each.text for each in converted.left_out] == ["/x"]


def test_a_picture_in_a_list_or_a_table_comes_after_it():
    converted = convert(
        "<ul><li><img src='/a.png'>one</li><li>two</li></ul><p>three</p>"
    )
    name = converted.images[0].name
    assert converted.markdown == f"- one\n- two\n\n![](image:{name})\n\nthree"


def test_a_picture_that_loads_late_is_shown_once():
    converted = convert(
        "<p><img src='data:image/gif;base64,R0' alt=''><noscript><img src='/a.png'>"
        "</noscript></p><p><img data-src='/b.png'><noscript><img src='/b.png'>"
        "</noscript></p>"
    )
    names = [picture.name for picture in converted.images]
    assert converted.markdown == "\n\n".join(f"![](image:{name})" for name in names)
    assert (len(names), converted.left_out) == (2, ())


def test_tracking_pixels_are_left_out_and_emoji_are_characters():
    converted = convert(
        "<p>Sun <img class=emoji alt='☀' src='https://s.example/2600.svg'>"
        "<img width=1 height=1 src='https://t.example/p.gif'>"
        "<img style='display:none' src='https://t.example/q.gif'></p>"
    )
    assert (converted.markdown, converted.images) == ("Sun ☀", ())
    assert len(converted.left_out) == 2


# --- Embeds


@pytest.mark.parametrize(
    "embed",
    [
        '<p>Watch:</p><iframe src="//player.example.org/e/1"></iframe>',
        '<p>Watch: <iframe data-src="https://player.example.org/e/1"></iframe></p>',
        '<p>Watch:</p><figure class="wp-block-embed"><div>\nhttps://player.example.org/e/1'
        "\n</div></figure>",
        "<p>Watch:</p>[embed width=3]https://player.example.org/e/1[/embed]",
        '<p>Watch:</p><video><source src="https://player.example.org/e/1"></video>',
        '<p>Watch:</p><p><a href="https://player.example.org/e/1">'
        "https://player.example.org/e/1</a></p>",
    ],
)
def test_an_embed_is_its_address_on_a_line_of_its_own(embed: str):
    assert convert(embed).markdown == "Watch:\n\nhttps://player.example.org/e/1"


def test_a_post_becomes_a_quoted_post():
    converted = convert(
        '<blockquote class="twitter-tweet"><p>Ferry 3 is late</p>&mdash; Port (@port) '
        '<a href="https://twitter.com/port/status/811270000000000000?ref_src=twsrc">'
        "December 20, 2016</a></blockquote><script async "
        'src="https://platform.twitter.com/widgets.js"></script>'
    )
    assert converted.markdown == (
        "> Ferry 3 is late\n>\n> — Port (@port) on X, 1800 GMT, 20 December 2016, "
        "https://x.com/port/status/811270000000000000"
    )
    assert [each.what.plural for each in converted.left_out] == ["scripts"]


def test_a_post_of_an_unknown_site_keeps_its_words_and_its_address():
    converted = convert(
        '<blockquote class="reddit-card"><p>Ferry 3 is late</p>'
        '<a href="https://forum.example/r/port/12?x=1">On the forum</a></blockquote>'
    )
    assert converted.markdown == (
        "> Ferry 3 is late\n>\n> On the forum\n\nhttps://forum.example/r/port/12"
    )


@pytest.mark.parametrize(
    ("code", "markdown"),
    [
        ('<iframe src="https://www.youtube-nocookie.com/embed/abcdefghijk"></iframe>',
         "https://youtube.com/watch?v=abcdefghijk"),
        ('<ul><li>a</li><li>b <iframe src="//player.vimeo.com/video/12" title="Fog">'
         "</iframe></li></ul><p>c</p>",
         "- a\n- b\n\n[Fog](https://vimeo.com/12)\n\nc"),
        ('<div><script src="https://datawrapper.dwcdn.net/AbCdE/embed.js"></script></div>',
         "https://datawrapper.dwcdn.net/AbCdE"),
    ],
)  # fmt: skip
def test_an_embed_of_a_known_site_becomes_its_card(code: str, markdown: str):
    assert convert(code).markdown == markdown


def test_words_of_an_embed_that_its_card_has_not_are_listed():
    converted = convert(
        '<blockquote class="instagram-media" data-instgrm-permalink='
        '"https://www.instagram.com/p/Abc/"><a href="https://www.instagram.com/p/Abc/">'
        "View this post on Instagram</a><p>A post by Ana</p></blockquote>"
    )
    assert "https://instagram.com/p/Abc" in converted.markdown
    assert [each.text for each in converted.left_out] == [
        "View this post on Instagram A post by Ana"
    ]


# --- What has no place


def test_what_has_no_place_is_listed_with_its_words():
    converted = convert(
        "<p>Text</p><form>Your mail <button>Send</button></form><style>p{}</style>"
        "<div hidden>Unseen</div><svg><text>Chart</text></svg>"
        "<video>No player</video><iframe srcdoc='<p>Inner</p>'></iframe>"
    )
    assert converted.markdown == "Text"
    listed = {each.text for each in converted.left_out}
    assert listed >= {"Your mail Send", "Unseen", "Chart", "No player", "Inner"}
    assert {HIDDEN, FALLBACK} <= {each.what for each in converted.left_out}


def test_a_form_around_a_whole_page_is_not_dropped():
    assert convert("<form><p>One</p><input value=x></form>").markdown == "One"


def test_line_breaks_of_the_source_count_if_the_system_has_them():
    source = "One\ntwo\n\n<b>three</b>\n<ul>\n<li>a</li>\n<li>b</li>\n</ul>"
    converted = to_markdown(source, line_breaks=True)
    assert converted.markdown == "One\ntwo\n\n**three**\n\n- a\n- b"


@pytest.mark.parametrize(
    "source",
    [
        "<div>" * (MAX_DEPTH * 4) + "deep <b>text</b>",
        "<ul><li>" * 60 + "deep text" + "</ul>" * 60,
        "<blockquote>" * 60 + "deep text",
        "<b>" * 500 + "deep text",
        "<table><tr><td>" * 60 + "deep text",
        "</p></p><b></i>deep</b> text",
        "<![CDATA[deep]]> text",
        "<p>deep&#1;&#2; text\x00</p>",
        "<a href='http://[::1'>deep</a> <img src='http://[::1'> text",
        "<img srcset='x 1z, ,'><td>deep</td><li>text",
        "<p class=>deep<td><tr><th rowspan=-1 colspan=99999999999>text",
    ],
)
def test_hostile_html_loses_no_word(source: str):
    found = [word for word in visible_words(rendered(source)) if word != "-"]
    assert found == ["deep", "text"]


# --- Whatever else there is

INLINE = re.findall(r"\S+", "b i em strong span a u x-y del code mark cite small sup")
BLOCKS = re.findall(r"\S+", "p div ul ol blockquote table h2 figure section dl center")
WORDS = re.findall(
    r"\S+",
    "alpha be*ta _gam_ ep~~s~~ [zeta] (eta) *th -io 1. 2. # > | ! a\\*b x|y -- --- "
    "**so** https://x.example/a_b 50% 日本 < & “q” 20 `del` ![a](image:b) ok",
)
words = st.lists(
    st.sampled_from(WORDS),
    min_size=1,
    max_size=4,
).map(lambda found: html.escape(" ".join(found)) + " ")


def inside(name: str, inner: str) -> str:
    attribute = ' href="https://l.example/1"' if name == "a" else ""
    return f"<{name}{attribute}>{inner}</{name}>"


def block(name: str, children: list[str]) -> str:
    parts = {
        "ul": "<li>{}</li>", "ol": "<li>{}", "table": "<tr><td>{}</td><th>x</th></tr>",
        "dl": "<dd>{}</dd>",
    }  # fmt: skip
    inner = "".join(parts.get(name, "{}").format(child) for child in children)
    return f"<{name}>{inner}</{name}>"


lines = st.recursive(
    words,
    lambda inner: st.one_of(
        st.builds(inside, st.sampled_from(INLINE), inner),
        st.lists(inner, min_size=1, max_size=3).map("".join),
        inner.map(lambda found: f"{found}<br>"),
    ),
    max_leaves=6,
)
pages = st.recursive(
    lines,
    lambda inner: st.builds(
        block, st.sampled_from(BLOCKS), st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=6,
)


@settings(
    max_examples=examples(600),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(pages)
def test_no_visible_character_is_lost(source: str):
    shown = visible_characters(rendered(source))
    lost = visible_characters(source) - shown
    # The numbers of a list are made by the browser, and are typed in a source.
    assert not lost - Counter("0123456789."), convert(source).markdown


@settings(max_examples=examples(200), deadline=None, derandomize=True)
@given(st.text(max_size=200))
def test_any_text_is_converted(source: str):
    converted = to_markdown(source)
    assert rendering.tidy(converted.markdown) == converted.markdown
    rendering.render(converted.markdown)
