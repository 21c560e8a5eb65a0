"""The words of texts and of queries, as full-text search compares them.

Both databases index the tokens that this module makes, and tokenize nothing themselves,
so that they find the same. A text has tokens of two kinds:

- inline ones, whose order phrases need: each word folded (see `folding`); of scripts
  without spaces, and of Korean, every two adjacent characters, and the last one alone,
  so that any part of a run is found (地震情報: 地震, 震情, 情報, 報);
- extra ones, in the place of a word: its stem by the rules of the text's language
  (`en~pilot`), the word itself where folding changed it (`=nîmes`), the parts of a
  compound as one word (`covid19`, `laquila`, `1500`), and its spelling without umlauts
  (`muenchen`).

`~nimes` says that a text has this word only with diacritics. With it and `=nîmes`,
texts that match as typed come first.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import pairwise
from operator import attrgetter
from typing import Final, NamedTuple

import Stemmer

from entries.text.folding import INVISIBLE, cased, fold, fold_word, unmarked

MAX_WORD: Final = 80  # characters of a token; longer words are cut
MAX_QUERY: Final = 200  # characters of a query; the rest is ignored
MAX_TERMS: Final = 12  # terms of a query; the rest is ignored
MAX_TYPED: Final = 8  # words of a text that is still being typed
MIN_PREFIX: Final = 3  # letters of an incomplete word that is found as a beginning
MIN_STEMMED: Final = 3  # letters of a word that has a stem
GAP: Final = "~"  # between tokens that are not adjacent in the text

# Common English words, and those of any live blog.
_STOP: Final = (
    "a about after all also an and any are as at be been before but by can could did "
    "do does for from gmt had has have he her his how i if in into is it its just "
    "more no not now of on only or other our out over said she so some such than "
    "that the their them then there these they this to too up update was we were "
    "what when where which while who why will with would you your"
)
STOP_WORDS: Final = frozenset(_STOP.split())

# Snowball's algorithms, by the script they are for and the language's code.
_ALGORITHMS: Final = {
    "LATIN": {
        "ca": "catalan",
        "cs": "czech",
        "da": "danish",
        "de": "german",
        "en": "english",
        "eo": "esperanto",
        "es": "spanish",
        "et": "estonian",
        "eu": "basque",
        "fi": "finnish",
        "fr": "french",
        "ga": "irish",
        "hu": "hungarian",
        "id": "indonesian",
        "it": "italian",
        "lt": "lithuanian",
        "nl": "dutch",
        "no": "norwegian",
        "pl": "polish",
        "pt": "portuguese",
        "ro": "romanian",
        "sv": "swedish",
        "tr": "turkish",
    },
    "CYRILLIC": {"ru": "russian", "sr": "serbian"},
    "GREEK": {"el": "greek"},
    "ARABIC": {"ar": "arabic", "fa": "persian"},
    "DEVANAGARI": {"hi": "hindi", "ne": "nepali"},
    "TAMIL": {"ta": "tamil"},
    "ARMENIAN": {"hy": "armenian"},
    "HEBREW": {"yi": "yiddish"},
}
_BY_CODE: Final = {
    code: name for names in _ALGORITHMS.values() for code, name in names.items()
}
_SAME_LANGUAGE: Final = {"nb": "no", "nn": "no"}
_UMLAUTS: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})

# Scripts that write no spaces between words, and Korean, whose words have endings.
_UNSPACED: Final = (
    *((0xE00, 0xE7F), (0xE80, 0xEFF), (0x1000, 0x109F), (0x1780, 0x17FF)),
    *((0x1950, 0x19DF), (0x1A20, 0x1AAF), (0xA9E0, 0xA9FF), (0xAA60, 0xAA7F)),
    *((0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3021, 0x3029), (0x3040, 0x30FF)),
    *((0x3100, 0x312F), (0x31A0, 0x31BF), (0x31F0, 0x31FF), (0x3400, 0x4DBF)),
    *((0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9F), (0x1B000, 0x1B16F)),
    *((0x20000, 0x3FFFF), (0xAC00, 0xD7A3), (0x1100, 0x11FF), (0x3130, 0x318F)),
)
_ARABIC: Final = ((0x600, 0x6FF), (0x750, 0x77F), (0x8A0, 0x8FF), (0xFB50, 0xFEFC))
_JOINERS: Final = frozenset("'’‘‛ʼʻʹʾʿꞌ`´′＇׳״՚-‐‑﹣－־_·‧")
_FRACTIONS: Final = frozenset("¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞⅟↉")  # ½ is not the number 12
_VOICED: Final = "ﾞﾟ"  # signs of half-width katakana


class _Kinds(dict[int, str]):
    """The kind of each character, in one letter; see `kind`. Learned when met."""

    def __missing__(self, code: int) -> str:
        self[code] = found = self.kind(code, chr(code))
        return found

    @staticmethod
    def kind(code: int, char: str) -> str:
        """Return what a character is for words.

        `a` letter, `r` Arabic letter, `0` digit, `c` character of an unspaced script,
        `m` mark, `z` invisible, `i` ZWNJ, `j` apostrophe or hyphen, `d` full stop, `n`
        separator in numbers, `+` sign in C++ or C#, `e` emoji, or a space for others.
        """
        category = unicodedata.category(char)
        if code == 0x200C:
            return "i"
        if code in INVISIBLE:
            return "z"
        if char in _JOINERS:
            return "j"
        if category[0] == "M" or char in _VOICED:
            return "m"
        if char.isdecimal():
            return "0"
        if char.isalnum() and char not in _FRACTIONS:
            for kind, blocks in (("c", _UNSPACED), ("r", _ARABIC)):
                if any(first <= code <= last for first, last in blocks):
                    return kind
            return "a"
        if category == "So" and code >= 0x2300:
            return "e"
        signs = {".": "d", ",": "n", "٫": "n", "٬": "n", "\xa0": "n", "\u202f": "n"}
        return (signs | {"\u2009": "n"}).get(
            char, "+" if char in ("+", "#", "＋", "＃") else " "
        )


_KINDS: Final = _Kinds()
_BETWEEN_ARABIC: Final = re.compile("(?<=[rm])i(?=r)")
_IN_NUMBER: Final = re.compile("(?<=0)[dn](?=0)")
_DOT: Final = re.compile("[·‧]")  # in names: 唐纳德·特朗普
_ACRONYM: Final = re.compile("(?<![ar0mzcj])a(?:da)+(?![ar0mz])")
_SIGNED: Final = r"(?<![ar0mzcj])a\+{1,2}(?![ar0+])"  # C++, F#
_WORD: Final = rf"(?:{_SIGNED}|[ar0][ar0mz]*|c[cmz]*|e[mz]*)"
_PART: Final = re.compile(_WORD)
_CHUNK: Final = re.compile(f"{_WORD}(?:j?{_WORD})*")
_CLUSTER: Final = re.compile("c[mz]*")

_QUOTED: Final = re.compile(r'"([^"]+)"|([^\s"]+)')
_GERSHAYIM: Final = re.compile('(?<=[א-ת])"(?=[א-ת])')
_ONE_QUOTE: Final = str.maketrans(
    dict.fromkeys("“”„‟″«»‹›＂「」『』《》〈〉〝〞〟", '"')
)


class Token(NamedTuple):
    """A token of a text: its place in the order, and what it covers of the text."""

    text: str
    position: int
    start: int
    end: int
    inline: bool = True


class Phrase(NamedTuple):
    """Adjacent tokens; with `prefix`, the last is only the beginning of one."""

    tokens: tuple[str, ...]
    prefix: bool = False


@dataclass(frozen=True)
class Term:
    """A part of a query: any of some phrases.

    It is found as typed in texts that also have all tokens `typed` and none of
    `folded`.
    """

    phrases: tuple[Phrase, ...]
    typed: tuple[str, ...] = ()
    folded: tuple[str, ...] = ()


class _Part(NamedTuple):
    """A word of a text, or a run of an unspaced script."""

    start: int
    end: int
    cased: str
    folded: str
    clusters: tuple[tuple[int, int, str], ...] = ()  # of a run: start, end, folded


# ---- texts ------------------------------------------------------------------------


def compose(text: str) -> str:
    """Return a text in the form in which it is split into words (NFC)."""
    return unicodedata.normalize("NFC", text)


def _kinds(text: str) -> str:
    """Return the kinds of a text's characters, with joiners only within words."""
    kinds = text.translate(_KINDS)
    if "·" in text or "‧" in text:
        for found in _DOT.finditer(text):
            at = found.start()
            if kinds[at + 1 : at + 2] == "c" and kinds[at - 1 : at] in ("c", "m"):
                kinds = f"{kinds[:at]}z{kinds[at + 1 :]}"
    if '"' in text:
        for found in _GERSHAYIM.finditer(text):
            kinds = f"{kinds[: found.start()]}j{kinds[found.end() :]}"
    if "i" in kinds:
        kinds = _BETWEEN_ARABIC.sub("j", kinds).replace("i", "z")
    if "d" in kinds:
        kinds = _ACRONYM.sub(lambda found: found[0].replace("d", "j"), kinds)
    return _IN_NUMBER.sub("j", kinds)


def _chunks(text: str) -> Iterator[tuple[_Part, ...]]:
    """Split a composed text into its words; parts of a compound come together."""
    kinds = _kinds(text)
    for chunk in _CHUNK.finditer(kinds):
        found = _PART.finditer(kinds, *chunk.span())
        parts = [_part(text, kinds, *one.span()) for one in found]
        if known := tuple([part for part in parts if part.folded]):
            yield known


def _part(text: str, kinds: str, start: int, end: int) -> _Part:
    if kinds[start] == "c":
        found = (one.span() for one in _CLUSTER.finditer(kinds, start, end))
        clusters = tuple((a, b, _folded(text[a:b])) for a, b in found)
        folded = "".join(cluster[2] for cluster in clusters)
        return _Part(start, end, folded, folded, clusters)
    return _Part(start, end, *_forms(text[start:end]))


@lru_cache(maxsize=50_000)
def _forms(word: str) -> tuple[str, str]:
    """Return a word in one case, and folded."""
    word = cased(word)[:MAX_WORD]
    return _only_words(word), _folded(word)


def _folded(word: str) -> str:
    return _only_words(fold_word(word))[:MAX_WORD]


def _only_words(word: str) -> str:
    """Drop what compatibility forms add to a word, such as the stroke of ½."""
    if word.isalnum():
        return word
    return "".join(c for c in word if _KINDS[ord(c)] not in " djniz")


def tokenize(text: str, language: str = "") -> list[Token]:
    """Return the tokens of a composed text, in order."""
    tokens: list[Token] = []
    position = 0
    for parts in _chunks(text):
        for part in parts:
            if part.clusters:
                found = _of_run(part, position)
            else:
                found = _of_word(part, position, language)
            tokens += found
            position = found[-1].position + 1
        if len(parts) > 1:
            tokens += _joined(parts, position - 1)
    return tokens


def _of_run(part: _Part, position: int) -> list[Token]:
    """Return every two adjacent characters of a run, and the last alone."""
    chars = part.clusters
    pairs = [
        Token(a[2] + b[2], position + index, a[0], b[1])
        for index, (a, b) in enumerate(pairwise(chars))
    ]
    start, end, last = chars[-1]
    return [*pairs, Token(last, position + len(pairs), start, end)]


def _of_word(part: _Part, position: int, language: str) -> list[Token]:
    start, end = part.start, part.end
    extra = _extra_tokens(part.cased, part.folded, language)
    found = [Token(text, position, start, end, inline=False) for text in extra]
    return [*found, Token(part.folded, position, start, end)]


@lru_cache(maxsize=50_000)
def _extra_tokens(word: str, folded: str, language: str) -> tuple[str, ...]:
    base = _base(language)
    found = [f"{base}~{stem}" for stem in stems(word, base)]
    if word != folded:
        found.append(f"={word}")
        if spelled := _spelled_out(word):
            found.append(spelled)
    return tuple(found)


def _joined(parts: Sequence[_Part], position: int) -> Iterator[Token]:
    """Return compounds as one word: all joined parts together, and every two."""
    run: list[_Part] = []
    for part in (*parts, None):
        near = part and not part.clusters and run and part.start == run[-1].end + 1
        if not near:
            pairs = pairwise(run) if len(run) > 2 else ()
            for joined in (tuple(run), *pairs) if len(run) > 1 else ():
                whole = "".join(one.folded for one in joined)[:MAX_WORD]
                ends = (joined[0].start, joined[-1].end)
                yield Token(whole, position, *ends, inline=False)
            run = []
        if part and not part.clusters:
            run.append(part)


def _spelled_out(word: str) -> str:
    """Return a word with its umlauts spelled out (München: muenchen), "" if none."""
    spelled = word.translate(_UMLAUTS)
    return unmarked(spelled) if spelled != word else ""


Places = list[list[str]]  # tokens by position


def index_tokens(texts: tuple[str, str, str], language: str) -> tuple[Places, Places]:
    """Return the tokens of a headline, and of a body with its byline, for the index.

    The texts are composed. The last place of each has no word: it says which words
    are in these texts only with diacritics.
    """
    tokenized = [tokenize(text, language) for text in texts]
    changed: set[str] = set()
    unchanged: set[str] = set()
    for tokens in tokenized:
        folded = {token.position for token in tokens if token.text[0] == "="}
        for token in filter(attrgetter("inline"), tokens):
            (changed if token.position in folded else unchanged).add(token.text)
    headline, body, byline = map(_places, tokenized)
    marks = [f"~{word}" for word in sorted(changed - unchanged)]
    return [*headline, []], [*body, [GAP], *byline, marks]


def _places(tokens: list[Token]) -> Places:
    """Return tokens by position, the inline one first."""
    places: Places = [[] for _ in range(tokens[-1].position + 1 if tokens else 0)]
    for token in sorted(tokens, key=lambda token: not token.inline):
        places[token.position].append(token.text)
    return places


# ---- stems ------------------------------------------------------------------------


def _base(language: str) -> str:
    code = language.partition("-")[0].lower()
    return _SAME_LANGUAGE.get(code, code)


@cache
def _stemmer(algorithm: str) -> Stemmer.Stemmer:
    return Stemmer.Stemmer(algorithm, 0)  # without its cache, which threads would share


def stems(word: str, language: str) -> tuple[str, ...]:
    """Return the stems of a word as written and as folded, () without an algorithm."""
    code = _base(language)
    return _stems(word, code) if code in _BY_CODE else ()


@lru_cache(maxsize=50_000)
def _stems(word: str, code: str) -> tuple[str, ...]:
    folded = unmarked(word)
    if len(folded) < MIN_STEMMED or word in STOP_WORDS or not word[0].isalpha():
        return ()
    stem = _stemmer(_BY_CODE[code]).stemWord
    return tuple(dict.fromkeys(unmarked(stem(form)) for form in (word, folded)))


def _stem_tokens(word: str, languages: Iterable[str]) -> Iterator[str]:
    """Return the tokens of a word's stems in those languages that its script writes."""
    script = unicodedata.name(word[0], "").partition(" ")[0]
    codes = dict.fromkeys(map(_base, languages))
    for code in codes.keys() & _ALGORITHMS.get(script, {}).keys():
        yield from (f"{code}~{stem}" for stem in stems(word, code))


# ---- queries ----------------------------------------------------------------------


def parse_query(
    query: str, languages: Collection[str], *, typing: bool = False
) -> list[Term]:
    """Split a query into terms, all of which a text must have.

    Words are found by their stems too, in texts of these languages. With `typing`, the
    last word may be incomplete.

    Words in quotation marks are one term, and are found as they are: not by their stem.
    Terms of stop words only are left out, unless the query has no others.
    """
    query = compose(query[:MAX_QUERY]).replace("\0", " ")
    query = _GERSHAYIM.sub("״", query).translate(_ONE_QUOTE)
    found: list[tuple[Term, bool]] = []
    for quoted, bare in _QUOTED.findall(query):
        for parts, exact in _query_parts(quoted, bare):
            term = _quoted_term(parts) if exact else _term(parts, languages)
            if typing and not exact and query.endswith(bare):
                term = _beginning(parts, languages) or term
            found.append((term, all(part.cased in STOP_WORDS for part in parts)))
    significant = [term for term, common in found if not common]
    return (significant or [term for term, _ in found])[:MAX_TERMS]


def _query_parts(quoted: str, bare: str) -> Iterator[tuple[tuple[_Part, ...], bool]]:
    """Split a part of a query into what its terms are made of, and if it is exact.

    What has no space in it is a phrase too, such as an address, but not in scripts that
    have none.
    """
    chunks = list(_chunks(quoted or bare))
    parts = tuple(part for chunk in chunks for part in chunk)
    if parts and (quoted or (len(chunks) > 1 and not any(p.clusters for p in parts))):
        yield parts, True
    else:
        yield from ((chunk, False) for chunk in chunks)


def _phrase(parts: Sequence[_Part]) -> Phrase:
    """Return the phrase that finds parts one after the other."""
    tokens: list[str] = []
    for part in parts:
        found = _of_run(part, 0) if part.clusters else [Token(part.folded, 0, 0, 0)]
        tokens += [token.text for token in found]
    clusters = parts[-1].clusters
    if len(clusters) > 1:  # what follows in the text may be of the same run
        tokens.pop()
    return Phrase(tuple(tokens), prefix=len(clusters) == 1)


def _quoted_term(parts: Sequence[_Part]) -> Term:
    words = [part for part in parts if not part.clusters]
    typed = tuple(f"={p.cased}" for p in words if p.cased != p.folded)
    folded = tuple(f"~{p.folded}" for p in words if p.cased == p.folded)
    return Term((_phrase(parts),), typed, folded)


def _term(parts: Sequence[_Part], languages: Collection[str]) -> Term:
    """Return the term of a word or compound, with the forms in which it is found."""
    term = _quoted_term(parts)
    forms = [*term.phrases]
    words = [part for part in parts if not part.clusters]
    if len(words) == len(parts) > 1:
        forms.append(Phrase(("".join(p.folded for p in parts)[:MAX_WORD],)))
        if len(parts) == 2 and parts[1].folded == "s":  # “Skerrin's”
            parts, words = parts[:1], words[:1]
            forms.append(_phrase(parts))
    if len(parts) == len(words) == 1:
        word = words[0].cased
        other = [_spelled_out(word), *_stem_tokens(word, languages)]
        forms += [Phrase((token,)) for token in other if token]
    return Term(tuple(dict.fromkeys(forms)), term.typed, term.folded)


def draft_terms(text: str, languages: Collection[str], most: int) -> list[Term]:
    """Return the distinctive words of a text as terms, each once, at most so many.

    Of a short text, which is still being typed, the last word may be incomplete.
    """
    text = compose(text)
    chunks = list(_chunks(text))
    terms = {term: None for chunk in chunks for term in _draft_terms(chunk, languages)}
    if chunks and len(chunks) <= MAX_TYPED and text[-1:].isprintable():
        ended = chunks[-1][-1].end == len(text)
        if ended and (term := _beginning(chunks[-1], languages)):
            terms.pop(_term(chunks[-1], languages), None)
            terms[term] = None
    return list(terms)[:most]


def _draft_terms(parts: Sequence[_Part], languages: Collection[str]) -> Iterator[Term]:
    words = tuple(part for part in parts if not part.clusters)
    if any(part.cased not in STOP_WORDS for part in words):
        yield _term(words, languages)
    for part in parts:
        if part.clusters:
            for token in _of_run(part, 0)[: max(1, len(part.clusters) - 1)]:
                yield Term((Phrase((token.text,), prefix=len(part.clusters) == 1),))


def _beginning(parts: Sequence[_Part], languages: Collection[str]) -> Term | None:
    """Return the term of a word that may be incomplete; None if it is too short."""
    word = parts[-1].folded
    if len(parts) > 1 or parts[0].clusters or len(word) < MIN_PREFIX:
        return None
    term = _term(parts, languages)
    return replace(term, phrases=(Phrase((word,), prefix=True), *term.phrases))


def query_words(text: str) -> list[str]:
    """Return the folded words of a text, for comparing with parts of other texts.

    What has a part of one character is one, such as U.S. or quay-2, since single
    characters are in most texts.
    """
    text = compose(text)
    found = []
    for parts in _chunks(text):
        if len(parts) > 1 and any(len(part.folded) == 1 for part in parts):
            found.append(fold(text[parts[0].start : parts[-1].end]))
        else:
            found += [part.folded for part in parts]
    return found


# ---- matches ----------------------------------------------------------------------


def find_matches(
    text: str, terms: Iterable[Term], language: str
) -> list[tuple[int, int, int]]:
    """Return what terms match in a composed text, in its order.

    Each match is its start and end, and the number of its term; none overlap.
    """
    tokens = tokenize(text, language)
    inline = [token for token in tokens if token.inline]
    places: dict[str, list[Token]] = {}
    for token in tokens:
        places.setdefault(token.text, []).append(token)
    found: set[tuple[int, int, int]] = set()
    for number, term in enumerate(terms):
        for phrase in term.phrases:
            spans = _spans(phrase, places, inline)
            found.update((start, end, number) for start, end in spans)
    return _without_overlaps(sorted(found, key=lambda one: (one[0], -one[1])))


def _spans(
    phrase: Phrase, places: dict[str, list[Token]], inline: Sequence[Token]
) -> Iterator[tuple[int, int]]:
    tokens, prefix = phrase
    if len(tokens) == 1:
        for token in places.get(tokens[0], ()):
            yield token.start, token.end
    elif len(tokens) > 1:
        for first in places.get(tokens[0], ()):
            last = first.position + len(tokens)
            run = inline[first.position : last] if first.inline else []
            same = [token.text for token in run[: len(tokens) - prefix]]
            ends = prefix and len(run) == len(tokens)
            if tuple(same) == tokens[: len(tokens) - prefix] and (
                not prefix or (ends and run[-1].text.startswith(tokens[-1]))
            ):
                length = len(tokens[-1]) if prefix else run[-1].end - run[-1].start
                yield first.start, run[-1].start + length
    if prefix and len(tokens) == 1:
        for token in inline:
            if token.text != tokens[0] and token.text.startswith(tokens[0]):
                yield token.start, token.start + len(tokens[0])


def _without_overlaps(spans: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Merge matches that overlap, such as the pairs of characters of one word."""
    found: list[tuple[int, int, int]] = []
    for start, end, number in spans:
        if found and start < found[-1][1]:
            first, last, term = found[-1]
            found[-1] = (first, max(last, end), term)
        else:
            found.append((start, end, number))
    return found


def next_word(text: str, start: int) -> int:
    """Return where the first word of a text begins at or after a place."""
    kinds = _kinds(text[: start + MAX_WORD])
    found = re.compile(f"(?<![ar0mzj]){_WORD}").search(kinds, start)
    return found.start() if found else start


def last_end(text: str, end: int) -> int:
    """Return where the last word of a text ends at or before a place."""
    kinds = _kinds(text[: end + MAX_WORD])
    ends = [found.end() for found in _PART.finditer(kinds, max(0, end - MAX_WORD))]
    before = [one for one in ends if one <= end]
    within = kinds[end - 1 : end + 1]
    return end if "c" in within or not before else before[-1]
