"""Videos, posts, sound, charts and maps of other sites, recognized by their URLs.

A URL alone says what a page may show in a frame, once a reader asks for it:
nothing is fetched. `PROVIDERS` is the table of sites; settings add to it.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from entries.text import urls

MAX_URL_LENGTH: Final = 1000
# Room that pages reserve: each is a class in site.css.
SHAPES: Final = ("wide", "tall", "post", "audio", "list", "chart", "map")
# What a URL is called without a title.
LABELS: Final[Mapping[str, str | Promise]] = {
    "video": _("Video on %(provider)s"),
    "post": _("Post on %(provider)s"),
    "audio": _("Audio on %(provider)s"),
    "chart": _("Chart on %(provider)s"),
    "map": _("Map on %(provider)s"),
}
# What a placeholder in a URL matches; a digit may follow its name.
_PLACEHOLDERS: Final = {
    "id": r"[A-Za-z0-9_-]{1,120}",
    "number": r"[0-9]{1,25}",
    "name": r"[A-Za-z0-9_%~-][A-Za-z0-9_.:%~@-]{0,255}",
    "word": r"[A-Za-z0-9]{1,120}",
}
_PLACEHOLDER: Final = re.compile(r"\{(id|number|name|word)([0-9]?)\}")
_SAME_SITE: Final = re.compile(r"^(?:www|m|mobile|web)\.")
_TIME: Final = re.compile(r"(?:([0-9]{1,2})h)?(?:([0-9]{1,4})m)?(?:([0-9]{1,6})s?)?")
_VIEW: Final = re.compile(
    r"map=([0-9]{1,2})/(-?[0-9]{1,2}(?:\.[0-9]+)?)/(-?[0-9]{1,3}(?:\.[0-9]+)?)"
)
_BOX: Final = re.compile(
    r"(?:-?[0-9]{1,3}(?:\.[0-9]{1,20})?,){3}-?[0-9]{1,3}(?:\.[0-9]{1,20})?"
)


class Media(NamedTuple):
    """What a URL shows; `frame` is "" if it can only be linked."""

    provider: str
    kind: str
    url: str
    frame: str = ""
    shape: str = ""
    site: str = ""  # whose permission a reader gives
    autoplay: str = ""  # what is added to the frame's query by a click
    page: str = ""  # the public URL, if `url` is that of a frame

    @property
    def label(self) -> str:
        """Return what it is called without a title: “Video on YouTube”."""
        return str(LABELS[self.kind]) % {"provider": self.provider}


class Provider(NamedTuple):
    """One kind of content of a site: its URLs, and the frame that shows it.

    URLs have placeholders: `{id}` for letters, digits, - and _, `{number}` for
    digits, `{name}` for an account and `{word}` for letters and digits. The frame
    repeats them, and may have `{url}`, the whole URL as a value. The first URL is the
    public one. Without a frame there is only a link.
    """

    name: str
    kind: str
    urls: tuple[str, ...]
    frame: str = ""
    shape: str = "wide"
    start: str = ""  # how the frame is told where to begin, with {seconds}
    autoplay: str = ""


_YOUTUBE: Final = "https://www.youtube-nocookie.com/embed"
PROVIDERS: Final = (
    Provider(
        "YouTube",
        "video",
        (
            "youtube.com/playlist?list={id}",
            "youtube.com/embed/videoseries?list={id}",
            "youtube-nocookie.com/embed/videoseries?list={id}",
        ),
        f"{_YOUTUBE}/videoseries?list={{id}}",
        autoplay="autoplay=1",
    ),
    Provider(
        "YouTube",
        "video",
        (
            "youtube.com/channel/{id}/live",
            "youtube.com/embed/live_stream?channel={id}",
            "youtube-nocookie.com/embed/live_stream?channel={id}",
        ),
        f"{_YOUTUBE}/live_stream?channel={{id}}",
        autoplay="autoplay=1",
    ),
    Provider("YouTube", "video", ("youtube.com/clip/{id}",)),
    Provider(
        "YouTube",
        "video",
        ("youtube.com/shorts/{id}",),
        f"{_YOUTUBE}/{{id}}?playsinline=1",
        "tall",
        "start={seconds}",
        "autoplay=1",
    ),
    Provider(
        "YouTube",
        "video",
        (
            "youtube.com/watch?v={id}",
            "youtu.be/{id}",
            "youtube.com/live/{id}",
            "youtube.com/embed/{id}",
            "youtube.com/v/{id}",
            "youtube.com/e/{id}",
            "youtube-nocookie.com/embed/{id}",
            "music.youtube.com/watch?v={id}",
        ),
        f"{_YOUTUBE}/{{id}}?playsinline=1",
        "wide",
        "start={seconds}",
        "autoplay=1",
    ),
    Provider(
        "Vimeo",
        "video",
        (
            "vimeo.com/{number}/{id}",
            "vimeo.com/{number}?h={id}",
            "player.vimeo.com/video/{number}?h={id}",
        ),
        "https://player.vimeo.com/video/{number}?h={id}&dnt=1",
        "wide",
        "#t={seconds}s",
        "autoplay=1",
    ),
    Provider(
        "Vimeo",
        "video",
        (
            "vimeo.com/{number}",
            "vimeo.com/channels/{name}/{number}",
            "vimeo.com/groups/{name}/videos/{number}",
            "vimeo.com/showcase/{name}/video/{number}",
            "vimeo.com/album/{name}/video/{number}",
            "player.vimeo.com/video/{number}",
        ),
        "https://player.vimeo.com/video/{number}?dnt=1",
        "wide",
        "#t={seconds}s",
        "autoplay=1",
    ),
    Provider("Vimeo", "video", ("vimeo.com/event/{number}",)),
    Provider(
        "Dailymotion",
        "video",
        (
            "dailymotion.com/video/{word}",
            "dailymotion.com/video/{word}_{name}",  # its title
            "dai.ly/{word}",
            "dailymotion.com/embed/video/{word}",
            "geo.dailymotion.com/player.html?video={word}",
            "geo.dailymotion.com/player/{name}?video={word}",
        ),
        "https://geo.dailymotion.com/player.html?video={word}",
        "wide",
        "startTime={seconds}",
    ),
    Provider(
        "Bluesky",
        "post",
        (
            "bsky.app/profile/{name}/post/{id}",
            "embed.bsky.app/embed/{name}/app.bsky.feed.post/{id}",
        ),
        "https://embed.bsky.app/embed/{name}/app.bsky.feed.post/{id}",
        "post",
    ),
    Provider(
        "X",
        "post",
        (
            *(
                f"{site}/{path}"
                for site in ("x.com", "twitter.com")
                for path in (
                    "{name}/status/{number}",
                    "{name}/statuses/{number}",
                    "{name}/status/{number}/photo/{number2}",
                    "{name}/status/{number}/video/{number2}",
                    "i/web/status/{number}",
                )
            ),
        ),
        "https://platform.twitter.com/embed/Tweet.html?id={number}&dnt=true",
        "post",
    ),
    Provider(
        "X",
        "post",
        (
            "x.com/i/status/{number}",
            "platform.twitter.com/embed/Tweet.html?id={number}",
        ),
        "https://platform.twitter.com/embed/Tweet.html?id={number}&dnt=true",
        "post",
    ),
    # Shared links have ids of their own.
    Provider("Instagram", "post", ("instagram.com/share/p/{id}",)),
    Provider("Instagram", "video", ("instagram.com/share/reel/{id}",)),
    Provider(
        "Instagram",
        "video",
        (
            "instagram.com/reel/{id}",
            "instagram.com/reels/{id}",
            "instagr.am/reel/{id}",
            "instagram.com/{name}/reel/{id}",
            "instagram.com/reel/{id}/embed",
            "instagram.com/reel/{id}/embed/captioned",
        ),
        "https://www.instagram.com/reel/{id}/embed/",
        "tall",
    ),
    Provider(
        "Instagram",
        "post",
        (
            "instagram.com/p/{id}",
            "instagr.am/p/{id}",
            "instagram.com/tv/{id}",
            "instagram.com/{name}/p/{id}",
            "instagram.com/p/{id}/embed",
            "instagram.com/p/{id}/embed/captioned",
        ),
        "https://www.instagram.com/p/{id}/embed/",
        "post",
    ),
    Provider(
        "TikTok",
        "video",
        ("tiktok.com/@{name}/video/{number}", "tiktok.com/@{name}/photo/{number}"),
        "https://www.tiktok.com/player/v1/{number}",
        "tall",
        autoplay="autoplay=1",
    ),
    Provider(
        "TikTok",
        "video",
        (
            "tiktok.com/@/video/{number}",
            "tiktok.com/embed/{number}",
            "tiktok.com/embed/v2/{number}",
            "tiktok.com/player/v1/{number}",
        ),
        "https://www.tiktok.com/player/v1/{number}",
        "tall",
        autoplay="autoplay=1",
    ),
    Provider(
        "TikTok",
        "video",
        ("vm.tiktok.com/{id}", "vt.tiktok.com/{id}", "tiktok.com/t/{id}"),
    ),
    Provider(
        "Facebook",
        "video",
        (
            "facebook.com/watch?v={number}",
            "facebook.com/watch/live?v={number}",
            "facebook.com/{name}/videos/{number}",
            "facebook.com/{name}/videos/{name2}/{number}",
            "facebook.com/reel/{number}",
            "fb.watch/{id}",
        ),
        "https://www.facebook.com/plugins/video.php?href={url}&show_text=false",
    ),
    Provider(
        "Facebook",
        "video",
        ("facebook.com/share/v/{id}", "facebook.com/share/r/{id}"),
    ),
    Provider(
        "Facebook",
        "post",
        ("facebook.com/{name}/posts/{name2}/{number}",),
        "https://www.facebook.com/plugins/post.php?href={url}&show_text=true",
        "post",
    ),
    Provider(
        "Facebook",
        "post",
        ("facebook.com/{name}/photos/{name2}/{number}",),
        "https://www.facebook.com/plugins/post.php?href={url}&show_text=true",
        "post",
    ),
    Provider(
        "Facebook",
        "post",
        (
            "facebook.com/{name}/posts/{name2}",
            "facebook.com/permalink.php?story_fbid={name}&id={number}",
            "facebook.com/story.php?story_fbid={name}&id={number}",
            "facebook.com/groups/{name}/posts/{number}",
            "facebook.com/groups/{name}/permalink/{number}",
            "facebook.com/photo?fbid={number}",
            "facebook.com/photo.php?fbid={number}",
        ),
        "https://www.facebook.com/plugins/post.php?href={url}&show_text=true",
        "post",
    ),
    Provider("Facebook", "post", ("facebook.com/share/p/{id}",)),
    Provider(
        "Telegram",
        "post",
        (
            "t.me/{name}/{number}",
            "t.me/s/{name}/{number}",
            "telegram.me/{name}/{number}",
        ),
        "https://t.me/{name}/{number}?embed=1&mode=tme",
        "post",
    ),
    *(
        Provider(
            "SoundCloud",
            "audio",
            (
                f"soundcloud.com/{{name}}/{path}/{{id}}",  # of what is private
                f"soundcloud.com/{{name}}/{path}?secret_token={{id}}",
                f"api.soundcloud.com/{kind}/{{number}}?secret_token={{id}}",
                f"api.soundcloud.com/{kind}/soundcloud%3A{kind}%3A{{number}}"
                "?secret_token={id}",
            ),
            "https://w.soundcloud.com/player/?url={url}",
            shape,
        )
        for path, kind, shape in (
            ("sets/{name2}", "playlists", "list"),
            ("{name2}", "tracks", "audio"),
        )
    ),
    Provider(
        "SoundCloud",
        "audio",
        ("soundcloud.com/{name}/sets/{name2}",),
        "https://w.soundcloud.com/player/?url={url}",
        "list",
    ),
    Provider(
        "SoundCloud",
        "audio",
        (
            "soundcloud.com/{name}/{name2}",
            *(
                f"api.soundcloud.com/{kind}/{number}"
                for kind in ("tracks", "playlists")
                for number in ("{number}", f"soundcloud%3A{kind}%3A{{number}}")
            ),
        ),
        "https://w.soundcloud.com/player/?url={url}",
        "audio",
    ),
    Provider("SoundCloud", "audio", ("on.soundcloud.com/{id}",)),
    *(
        Provider(
            "Spotify",
            "audio",
            (
                f"open.spotify.com/{kind}/{{id}}",
                f"open.spotify.com/{{id2}}/{kind}/{{id}}",  # intl-de, embed
            ),
            f"https://open.spotify.com/embed/{kind}/{{id}}",
            shape,
        )
        for kind, shape in (
            ("track", "audio"),
            ("episode", "audio"),
            ("album", "list"),
            ("playlist", "list"),
            ("show", "list"),
            ("artist", "list"),
        )
    ),
    Provider(
        "Spotify",
        "audio",
        ("open.spotify.com/user/{name}/playlist/{id}",),
        "https://open.spotify.com/embed/playlist/{id}",
        "list",
    ),
    Provider(
        "Datawrapper",
        "chart",
        ("datawrapper.dwcdn.net/{id}/{number}",),
        "https://datawrapper.dwcdn.net/{id}/{number}/",
        "chart",
    ),
    Provider(
        "Datawrapper",
        "chart",
        ("datawrapper.dwcdn.net/{id}", "datawrapper.de/_/{id}"),
        "https://datawrapper.dwcdn.net/{id}/",
        "chart",
    ),
    *(
        Provider(
            "Flourish",
            "chart",
            (
                f"public.flourish.studio/{kind}/{{number}}",
                f"flo.uri.sh/{kind}/{{number}}/embed",
            ),
            f"https://flo.uri.sh/{kind}/{{number}}/embed",
            "chart",
        )
        for kind in ("visualisation", "story")
    ),
)
_OPENSTREETMAP: Final = "https://www.openstreetmap.org"
# Frames whose URL names that of what they show, in a parameter.
_WRAPPERS: Final = {
    "facebook.com/plugins/post.php": "href",
    "facebook.com/plugins/video.php": "href",
    "w.soundcloud.com/player": "url",
}


class _Pattern(NamedTuple):
    """A URL of a provider, compiled."""

    path: re.Pattern[str]
    query: Mapping[str, re.Pattern[str]]
    provider: Provider


def find(url: str) -> Media | None:
    """Return what a URL shows, or None if it is that of no known site."""
    if len(url) > MAX_URL_LENGTH or not urls.is_safe(url):
        return None
    try:
        parts = urlsplit(url)
        query = parse_qs(parts.query, max_num_fields=50)
    except ValueError:
        return None
    host = parts.netloc.lower()
    if _SAME_SITE.sub("", host, count=1) in ("openstreetmap.org", "osm.org"):
        return _map(url, parts, query)
    for name in dict.fromkeys((host, _SAME_SITE.sub("", host, count=1))):
        if inner := _wrapped(f"{name}{parts.path.rstrip('/')}", query):
            return _of_frame(find(inner), name, parts, inner)
        for pattern in _table().get(name, ()):
            if (values := _match(pattern, parts, query)) is not None:
                return _media(url, host, parts, query, pattern, values)
    return _linked(url)


def _of_frame(
    found: Media | None, host: str, parts: SplitResult, inner: str
) -> Media | None:
    """Return what a frame shows, with the URL of the frame if no page has its own."""
    if found and found.page.startswith("https://api."):
        page = f"https://{host}{parts.path}?url={quote(inner, safe='')}"
        return found._replace(url=page, page=page)
    return found


def is_of_site(url: str, media: Media) -> bool:
    """Return whether a URL is of the same site as a video or post."""
    try:
        host = _SAME_SITE.sub("", urlsplit(url).netloc.lower(), count=1)
    except ValueError:  # https://[x
        return False
    return host == _SAME_SITE.sub("", urlsplit(media.page or media.url).netloc, count=1)


def frame_sources() -> list[str]:
    """Return the origins of all frames, for the Content-Security-Policy."""
    frames = (provider.frame for provider in _providers() if provider.frame)
    origins = (_origin(frame) for frame in (*frames, _OPENSTREETMAP))
    return list(dict.fromkeys(origins))


def without_frames(html: str) -> str:
    """Return rendered HTML without the room for frames, where no script fills it."""
    return _FRAME_TAG.sub("", html)


_FRAME_TAG: Final = re.compile(r"</?media-frame\b[^>]*>")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _wrapped(place: str, query: Mapping[str, list[str]]) -> str:
    """Return the URL that the URL of a frame names, or ""."""
    name = _WRAPPERS.get(place)
    inner = query.get(name, [""])[0] if name else ""
    # Not a wrapper again, which could go on for ever.
    return "" if "/plugins/" in inner or "w.soundcloud.com" in inner else inner


def _match(
    pattern: _Pattern, parts: SplitResult, query: Mapping[str, list[str]]
) -> dict[str, str] | None:
    """Return the values of a pattern's placeholders, or None if it does not match."""
    if not (found := pattern.path.fullmatch(parts.path)):
        return None
    values = found.groupdict()
    for name, value in pattern.query.items():
        if not (match := value.fullmatch(query.get(name, [""])[0])):
            return None
        values |= match.groupdict()
    return values


def _media(
    url: str,
    host: str,
    parts: SplitResult,
    query: Mapping[str, list[str]],
    pattern: _Pattern,
    values: Mapping[str, str],
) -> Media:
    provider, frame, page = pattern.provider, "", _fill(pattern.provider, values)
    if provider.frame:
        needed = "&".join(f"{name}={query[name][0]}" for name in pattern.query)
        whole = f"https://{host}{parts.path}{needed and '?'}{needed}"
        frame = provider.frame.format(**values, url=quote(whole, safe=""))
        seconds = _seconds(query, parts.fragment) if provider.start else 0
        if seconds:
            frame = _with(frame, provider.start.format(seconds=seconds))
            page = page and f"{page}#t={seconds}s"
    return Media(
        provider.name,
        provider.kind,
        url,
        frame,
        provider.shape if frame else "",
        _site(provider),
        provider.autoplay,
        page or url,
    )


def _site(provider: Provider) -> str:
    """Return the host that readers are asked about.

    It is the one of the public URL, unless the frame belongs to another.
    """
    host = provider.urls[0].partition("/")[0]
    asked = _SAME_SITE.sub("", urlsplit(provider.frame).netloc, count=1)
    return asked if asked and not f".{asked}".endswith(f".{host}") else host


def _fill(provider: Provider, values: Mapping[str, str]) -> str:
    """Return the public URL with these values, or "" if one is missing."""
    try:
        return f"https://{provider.urls[0].format(**values)}"
    except KeyError:
        return ""


def _with(frame: str, addition: str) -> str:
    if addition.startswith("#"):
        return frame + addition
    return f"{frame}{'&' if '?' in frame else '?'}{addition}"


def _seconds(query: Mapping[str, list[str]], fragment: str) -> int:
    """Return where a video begins: `t=90`, `start=90`, `#t=1m30s`; 0 by default."""
    given = [
        query[name][0] for name in ("t", "start", "time_continue") if name in query
    ]
    typed = given[0] if given else fragment.removeprefix("t=")
    if not (m := _TIME.fullmatch(typed)):
        return 0
    hours, minutes, seconds = (int(part or 0) for part in m.groups())
    return hours * 3600 + minutes * 60 + seconds


def _map(url: str, parts: SplitResult, query: Mapping[str, list[str]]) -> Media | None:
    """Return a view of OpenStreetMap: `#map=zoom/latitude/longitude`, or a frame's."""
    marker = ""
    given = [query.get(name, [""])[0] for name in ("mlat", "mlon")]
    if all(re.fullmatch(r"-?[0-9]{1,3}(\.[0-9]+)?", value) for value in given):
        marker = f"&marker={given[0]},{given[1]}"
    if parts.path == "/export/embed.html":
        box = query.get("bbox", [""])[0]
        if not _BOX.fullmatch(box):
            return None
        at = query.get("marker", [""])[0]
        marker = (
            f"&marker={at}" if re.fullmatch(r"-?[\d.]{1,20},-?[\d.]{1,20}", at) else ""
        )
        west, south, east, north = map(float, box.split(","))
        page = f"{_OPENSTREETMAP}/#map={_zoom(east - west)}/{(south + north) / 2:.4f}/"
        page += f"{(west + east) / 2:.4f}"
    elif view := _VIEW.match(
        parts.fragment or f"map=15/{given[0]}/{given[1]}" * bool(marker)
    ):
        zoom, latitude, longitude = int(view[1]), float(view[2]), float(view[3])
        if zoom > 20 or abs(latitude) > 85 or abs(longitude) > 180:
            return None
        wide = 360 / 2**zoom * 2.2  # degrees of a frame 563 pixels wide
        high = wide * 0.75 * math.cos(math.radians(latitude))
        box = ",".join(
            f"{edge:.5f}"
            for edge in (
                longitude - wide / 2,
                latitude - high / 2,
                longitude + wide / 2,
                latitude + high / 2,
            )
        )
        page = url
    elif re.fullmatch(r"/(?:node|way|relation)/[0-9]+|/go/[\w~@=-]+", parts.path):
        return Media("OpenStreetMap", "map", url)
    else:
        return None
    frame = f"{_OPENSTREETMAP}/export/embed.html?bbox={quote(box)}&layer=mapnik{marker}"
    site = "openstreetmap.org"
    return Media("OpenStreetMap", "map", url, frame, "map", site, "", page)


def _zoom(width: float) -> int:
    """Return the zoom at which a map shows so many degrees of longitude."""
    return max(0, min(19, round(math.log2(360 * 2.2 / width)))) if width > 0 else 0


def _linked(url: str) -> Media | None:
    """Return a post or video that can only be linked: of a site without frames."""
    if found := urls.platform(url):
        kind, host = found
        return Media(host, kind.lower(), url)
    return None


def _table() -> Mapping[str, list[_Pattern]]:
    """Return the patterns of all providers by host."""
    return _compiled(tuple(settings.MASTODON_HOSTS), settings.MEDIA_PROVIDERS)[1]


def _providers() -> tuple[Provider, ...]:
    return _compiled(tuple(settings.MASTODON_HOSTS), settings.MEDIA_PROVIDERS)[0]


@lru_cache(maxsize=8)
def _compiled(
    mastodon: tuple[str, ...], more: str
) -> tuple[tuple[Provider, ...], Mapping[str, list[_Pattern]]]:
    providers = (*_read(more), *PROVIDERS, *map(_mastodon, mastodon))
    table: dict[str, list[_Pattern]] = {}
    for provider in providers:
        for host, pattern in _patterns(provider):
            table.setdefault(host, []).append(pattern)
    return providers, table


def _mastodon(host: str) -> Provider:
    if _is_own(f"https://{host}"):
        raise ImproperlyConfigured(
            f"MASTODON_HOSTS has {host}, which is this site: frames of it could do "
            "whatever the site's pages can. Leave it out."
        )
    post = f"{host}/@{{name}}/{{number}}"
    return Provider(
        "Mastodon", "post", (post, f"{post}/embed"), f"https://{post}/embed", "post"
    )


def _read(more: str) -> Iterator[Provider]:
    """Yield the providers of `MEDIA_PROVIDERS`: a JSON list of objects.

    Raises ImproperlyConfigured.
    """
    try:
        rows = json.loads(more or "[]")
        for row in rows:
            provider = Provider(**{**row, "urls": tuple(row["urls"])})
            _check(provider)
            yield provider
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ImproperlyConfigured(
            f"MEDIA_PROVIDERS_FILE cannot be read: {error}. Each provider needs a "
            f"name, a kind ({', '.join(LABELS)}), urls and a frame, and may have "
            f"a shape ({', '.join(SHAPES)})."
        ) from error


def _check(provider: Provider) -> None:
    """Raise ValueError if pages could not show a provider of the settings."""
    if provider.kind not in LABELS or provider.shape not in SHAPES:
        raise ValueError(f"{provider.name} has an unknown kind or shape")
    if not provider.urls:
        raise ValueError(f"{provider.name} has no urls")
    if set(re.findall(r"\{[^{}]*\}", provider.start)) - {"{seconds}"}:
        raise ValueError(f"the start of {provider.name} is not like t={{seconds}}")
    loopback = r"http://(?:127\.0\.0\.1|localhost)(?::[0-9]+)?/"
    if not re.match(rf"https://[A-Za-z0-9.:-]+/|{loopback}", provider.frame):
        raise ValueError(f"the frame of {provider.name} is no https:// URL")
    if _is_own(provider.frame):
        raise ValueError(f"the frame of {provider.name} is a page of this site")
    for pattern in provider.urls:
        if not re.match(r"[a-z0-9.-]+(?::[0-9]+)?/", pattern):
            raise ValueError(f"{pattern} does not begin with a host, like tv.example/")
        found = [m[0] for m in _PLACEHOLDER.finditer(pattern)]
        if twice := [name for name in found if found.count(name) > 1]:
            raise ValueError(f"{pattern} has {twice[0]} twice: add a digit to one")
        known = {*found, "{url}"}
        if lacking := set(re.findall(r"\{[^{}]*\}", provider.frame)) - known:
            raise ValueError(f"{pattern} has no {min(lacking)}")


def _is_own(url: str) -> bool:
    """Return whether a URL has the origin of this site."""
    parts, own = urlsplit(url), urlsplit(settings.SITE_URL)
    return (parts.hostname, parts.port or 443) == (own.hostname, own.port or 443)


def _patterns(provider: Provider) -> Iterator[tuple[str, _Pattern]]:
    """Yield the compiled URLs of a provider with their hosts."""
    for pattern in provider.urls:
        place, _, typed = pattern.partition("?")
        host, slash, path = place.partition("/")
        query = dict(pair.split("=", 1) for pair in typed.split("&") if pair)
        yield (
            host,
            _Pattern(
                re.compile(_expression(slash + path.rstrip("/")) + "/?"),
                {name: re.compile(_expression(value)) for name, value in query.items()},
                provider,
            ),
        )


def _expression(text: str) -> str:
    """Return the regular expression of a text with placeholders."""
    parts = _PLACEHOLDER.split(text)
    expression = re.escape(parts[0])
    for kind, digit, literal in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        expression += f"(?P<{kind}{digit}>{_PLACEHOLDERS[kind]})" + re.escape(literal)
    return expression
