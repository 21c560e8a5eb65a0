"""What programs put on the clipboard, written by hand after their manner.

Each is `(text/html, text/plain, whether a picture of it comes along)`.
"""

from __future__ import annotations

from typing import NamedTuple

_FRAGMENT = "<html><body><!--StartFragment-->{}<!--EndFragment--></body></html>"


class Clipboard(NamedTuple):
    html: str = ""
    plain: str = ""
    picture: bool = False


WORD = Clipboard(
    """<html xmlns:o="urn:schemas-microsoft-com:office:office"
xmlns:w="urn:schemas-microsoft-com:office:word" xmlns="http://www.w3.org/TR/REC-html40">
<head><meta http-equiv=Content-Type content="text/html; charset=utf-8">
<meta name=Generator content="Microsoft Word 15">
<!--[if gte mso 9]><xml><w:WordDocument><w:View>Normal</w:View></w:WordDocument></xml>
<![endif]--><style><!-- /* Style Definitions */ p.MsoNormal {margin:0cm;} --></style>
</head><body lang=EN-GB style='tab-interval:36.0pt'>
<!--StartFragment-->
<p class=MsoNormal><b style='mso-bidi-font-weight:normal'>The ferry</b> “Skua” is
in,<span style='mso-spacerun:yes'>  </span>says <a
href="https://news.example/ferry?id=1&amp;gtin=5">the harbour&nbsp;office</a>.<a
style='mso-comment-reference:JV_1' class=msocomanchor href="#_msocom_1">[JV1]</a>
<i>Slowly</i>.<o:p></o:p></p>
<p class=MsoNormal><o:p>&nbsp;</o:p></p>
<p class=MsoListParagraphCxSpFirst style='text-indent:-18.0pt;mso-list:l0 level1 lfo1'>
<![if !supportLists]><span style='mso-list:Ignore'>·<span
style='font:7.0pt "Times New Roman"'>&nbsp; </span></span>
<![endif]>Cars first<o:p></o:p>
</p>
<p class=MsoListParagraphCxSpMiddle style='text-indent:-18.0pt;mso-list:l0 level2 lfo1'>
<![if !supportLists]><span style='mso-list:Ignore'>o<span
style='font:7.0pt "Times New Roman"'>&nbsp; </span></span>
<![endif]>then lorries<o:p></o:p>
</p>
<p class=MsoListParagraphCxSpLast style='text-indent:-18.0pt;mso-list:l0 level1 lfo1'>
<![if !supportLists]><span style='mso-list:Ignore'>·<span
style='font:7.0pt "Times New Roman"'>&nbsp; </span></span>
<![endif]>People last<o:p></o:p>
</p>
<p class=MsoNormal>* Not her real name. # 5 &gt; 4<o:p></o:p></p>
<!--EndFragment--><div style='mso-element:comment-list'><p class=MsoCommentText>Check
this!</p></div></body></html>""",
    "The ferry “Skua” is in,  says the harbour office. Slowly.\r\n\r\n·\tCars first\r\n"
    "o\tthen lorries\r\n·\tPeople last\r\n* Not her real name. # 5 > 4\r\n",
    picture=True,
)
WORD_NUMBERS = Clipboard(
    """<html xmlns:w="urn:schemas-microsoft-com:office:word"><body><!--StartFragment-->
<p class=MsoListParagraph style='mso-list:l1 level1 lfo2'><![if !supportLists]><span
style='mso-list:Ignore'>1.<span>&nbsp; </span></span><![endif]>Leave<o:p></o:p></p>
<p class=MsoListParagraph style='mso-list:l1 level1 lfo2'><![if !supportLists]><span
style='mso-list:Ignore'>2.<span>&nbsp; </span></span><![endif]>Arrive<o:p></o:p></p>
<!--EndFragment--></body></html>""",
    "1.\tLeave\r\n2.\tArrive\r\n",
)
EXCEL = Clipboard(
    """<html xmlns:v="urn:schemas-microsoft-com:vml"
xmlns:x="urn:schemas-microsoft-com:office:excel"><head><meta name=ProgId
content=Excel.Sheet><style><!--table {mso-displayed-decimal-separator:"\\.";}
td {white-space:nowrap;}--></style></head><body link="#0563C1">
<table border=0 cellpadding=0 cellspacing=0 width=192><!--StartFragment-->
<col width=64 span=3><tr height=20><td height=20 class=xl65>Boat</td><td>Cars</td>
<td>Notes</td></tr>
<tr height=20><td>Skua</td><td align=right>1,204</td><td>5*3 | late</td></tr>
<tr height=20><td>Tern</td><td align=right>88</td><td></td></tr>
<!--EndFragment--></table></body></html>""",
    "Boat\tCars\tNotes\r\nSkua\t1,204\t5*3 | late\r\nTern\t88\t\r\n",
    picture=True,
)
DOCS = Clipboard(
    """<meta charset='utf-8'><meta charset="utf-8"><b style="font-weight:normal;"
id="docs-internal-guid-0815"><p dir="ltr" style="line-height:1.38;"><span
style="font-weight:400;font-style:normal;white-space:pre-wrap;">Calm, </span><span
style="font-weight:700;font-style:normal;white-space:pre-wrap;">then rough</span><span
style="font-weight:400;font-style:normal;white-space:pre-wrap;">. See </span><a
href="https://sea.example/a_(b)" style="text-decoration:none;"><span
style="font-style:italic;text-decoration:underline;">the chart</span></a></p><ol><li
dir="ltr" style="font-weight:400;" aria-level="1"><p dir="ltr"><span
style="font-weight:400;">One</span></p></li><li aria-level="1"><p><span>Two</span></p>
</li><ul><li aria-level="2"><p><span>inside</span></p></li></ul></ol><br><h2
dir="ltr"><span style="font-weight:400;">Later</span></h2></b><br
class="Apple-interchange-newline">""",
    "Calm, then rough. See the chart\nOne\nTwo\ninside\n\nLater",
)
PAGES = Clipboard(
    """<!DOCTYPE html PUBLIC "-//W3C//DTD HTML 4.01//EN"><html><head><meta
http-equiv="Content-Style-Type" content="text/css"><meta name="Generator"
content="Cocoa HTML Writer"><style type="text/css">p.p1 {margin: 0.0px}</style></head>
<body><p class="p1"><span class="s1">Two boats,<span
class="Apple-converted-space">&nbsp;
</span><b>no</b> wind</span></p><p class="p2"><br></p><p class="p1">And a
second paragraph</p></body></html>""",
    "Two boats, no wind\n\nAnd a second paragraph",
)
LIBREOFFICE = Clipboard(
    """<!DOCTYPE html><html><head><meta name="generator"
content="LibreOffice 24.2 (Linux)"/></head><body lang="en-GB" dir="ltr"><p
style="margin-bottom: 0cm; line-height: 100%">The <b>mast</b> is
<strike>up</strike> <font color="#ff0000">down</font>.</p><ul><li><p>rope</p></li>
<li><p>sail</p></li></ul></body></html>""",
    "The mast is up down.\n    • rope\n    • sail\n",
)
BROWSER = Clipboard(
    _FRAGMENT.format(
        """<meta charset='utf-8'><p style="font-weight: 400; white-space: normal;">He
said: <a href="https://a.example/">“no”</a>; f<b>oo</b>bar stays<script>x()</script>.
<img src="https://a.example/x.png" alt="A map"></p><blockquote><p>Not <em>one</em>
word.</p><p>Never.</p></blockquote><a href="javascript:alert(1)">Press</a>"""
    ),
    "He said: “no”; foobar stays.\n\nNot one word.\n\nNever.\nPress",
)
COPIED_PICTURE = Clipboard(
    _FRAGMENT.format('<img src="https://a.example/map.png" alt="A map"/>'),
    "https://a.example/map.png",
    picture=True,
)
WORDS_PICTURE = Clipboard(
    """<html xmlns:o="urn:schemas-microsoft-com:office:office"><body><p class=MsoNormal>
<!--[if gte vml 1]><v:shape id="p"/><![endif]--><![if !vml]><img width=9
src="file:///C:/x.png"><![endif]><o:p></o:p></p></body></html>""",
    " \r\n",
    picture=True,
)
SCREENSHOT = Clipboard(picture=True)
FILE_OF_FINDER = Clipboard(plain="image.png", picture=True)
EDITOR = Clipboard(
    """<meta charset='utf-8'><div style="font-family: Menlo, monospace;white-space:
pre;"><div><span style="color: #000;">**bold** and [a](https://b.example)</span></div>
</div>""",
    "**bold** and [a](https://b.example)",
)
