"""The desk's forms: they validate input and turn it into arguments of verbs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import uuid4

from django import forms
from django.db.models import OuterRef, Subquery
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy

from entries import verbs
from entries.models import (
    Draft,
    Entry,
    EntryVersion,
    Image,
    Series,
    Story,
    StoryVersion,
)
from entries.models.fields import max_length
from entries.text import keyboard, languages, limits, rendering, time_input
from entries.verbs import EntryText

MAX_TIME_LENGTH = 40
SLUG_ATTRS = {"dir": "ltr", "autocapitalize": "none", "spellcheck": "false"}


class TypedTimeField(forms.CharField):
    """A time as editors type it (1015, +10, yesterday 2310); None for now."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, max_length=MAX_TIME_LENGTH, **kwargs)

    def clean(self, value: Any) -> datetime | None:
        """Parse the time, in GMT and whole minutes."""
        try:
            return time_input.parse_time(super().clean(value), timezone.now())
        except time_input.TimeError as error:
            raise forms.ValidationError(str(error)) from error


class TypedDayField(forms.DateField):
    """A day, with digits of any script."""

    def to_python(self, value: Any) -> Any:
        """Parse the day."""
        typed = isinstance(value, str)
        return super().to_python(keyboard.as_ascii(value) if typed else value)


class TextForm(forms.Form):
    """The text and the time of an entry."""

    at = TypedTimeField(label=gettext_lazy("Time (GMT)"))
    headline = forms.CharField(required=False, max_length=max_length(Entry, "headline"))
    # The verbs refuse a body that is missing or too long.
    body = forms.CharField(label=gettext_lazy("Text"), required=False, strip=False)

    limit = limits.MAX_BODY_LENGTH
    kept = ""  # the writer's unsent drafts, as JSON for the script
    offers: Sequence[Draft] = ()  # the same, for browsers without JavaScript
    guard = "key"  # the field that identifies one filled form
    restored = False

    def __init__(self, *args: Any, name: str = "composer", **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", f"{name}-%s")
        super().__init__(*args, **kwargs)
        self.name = name

    def clean_body(self) -> str:
        """Normalize line breaks."""
        return rendering.tidy(self.cleaned_data["body"])

    def text(self, byline: str = "") -> EntryText:
        """Return the text as an argument for verbs."""
        data = self.cleaned_data
        return EntryText(
            data["body"],
            headline=data["headline"],
            at=data["at"],
            byline=data.get("byline", byline),
        )

    def restore_draft(self, key: str, values: dict[str, Any]) -> None:
        """Fill the form with a saved draft, under the key of the draft."""
        self.initial = {**self.initial, **values, self.guard: key}
        self.restored = True

    def refuse(self, field: str, message: str) -> None:
        """Add a verb's refusal as an error of a field, or of the whole form."""
        self.add_error(field if field in self.fields else None, message)

    @property
    def slots(self) -> list[tuple[str, str]]:
        """Return the HTML id and the message (or "") of every error element."""
        named = [
            (f"{self[field].id_for_label}-error", self._first_error(field))
            for field in self.fields
        ]
        return [*named, (f"{self.name}-form-error", self._first_error("__all__"))]

    def _first_error(self, field: str) -> str:
        errors = self.errors.get(field)
        return str(errors[0]) if errors else ""

    @property
    def form_error(self) -> str:
        """Return the first error of the form as a whole."""
        return self._first_error("__all__")


class ComposerForm(TextForm):
    """A new entry: the composer, and the original entry's form.

    `key` identifies the filled form, so that sending it twice creates one entry. After
    a conflict, a button sends `separate`, a new key, to create another entry.
    """

    byline = forms.CharField(required=False, max_length=max_length(Entry, "byline"))
    key_event = forms.BooleanField(required=False)
    pinned = forms.BooleanField(label=gettext_lazy("Pin to the top"), required=False)
    key = forms.UUIDField(required=False)
    # An unlikely time that the writer has confirmed.
    sure = forms.CharField(required=False, max_length=MAX_TIME_LENGTH)
    separate = forms.UUIDField(required=False)
    # The coming time that a button beside the question offered instead.
    coming = forms.DateTimeField(required=False)

    asked = ""  # an unlikely time that the writer has to confirm

    def clean_at(self) -> datetime | None:
        """Leave `now` to the moment of publishing, which a draft does not know yet."""
        if time_input.means_now(self.data.get("at", "")):
            return None
        at: datetime | None = self.cleaned_data["at"]
        return at

    def clean(self) -> dict[str, Any]:
        """Take the time that was offered in place of the typed one, if chosen."""
        data = super().clean() or self.cleaned_data
        if data.get("coming"):
            data["at"] = data["coming"]
        return data

    @classmethod
    def empty(cls, name: str = "composer", byline: str = "") -> "ComposerForm":
        """Return an unsent form with a new key and its writer's usual byline."""
        return cls(initial={"key": uuid4(), "byline": byline}, name=name)


class EditForm(TextForm):
    """An existing entry; `version` is the one that the editor has read."""

    QUIET, CORRECTION = "quiet", "correction"
    guard = "version"

    byline = forms.CharField(required=False, max_length=max_length(Entry, "byline"))
    version = forms.IntegerField(min_value=1)
    how = forms.ChoiceField(
        choices=[
            (QUIET, gettext_lazy("Silent edit")),
            (CORRECTION, gettext_lazy("Correction")),
        ],
        required=False,
        initial=QUIET,
    )
    correction = forms.CharField(
        label=gettext_lazy("Correction note"),
        required=False,
        max_length=max_length(EntryVersion, "correction"),
    )

    @classmethod
    def of(cls, entry: Entry) -> "EditForm":
        """Return the form filled with an entry."""
        initial = {
            "at": time_input.format_typed(entry.at) if entry.at else "",
            "headline": entry.headline,
            "body": entry.body,
            "byline": entry.byline,
            "version": entry.version,
            "how": cls.QUIET,
        }
        return cls(initial=initial, name=f"edit-{entry.pk}")

    def clean(self) -> dict[str, Any]:
        """Require a note for a correction, and discard that of a silent edit."""
        data = super().clean() or self.cleaned_data
        corrects = data.get("how") == self.CORRECTION
        if corrects and not data.get("correction") and "correction" in data:
            self.add_error(
                "correction", gettext("Tell readers in a line what was wrong.")
            )
        if not corrects:
            data["correction"] = ""
        return data


class LanguageSelect(forms.Select):
    """A list of languages by their own names, with a field for any other code.

    `empty` labels no choice. `as_in_series` are the languages of new stories by the key
    of their series, for the scripts.
    """

    empty: Any = ""
    as_in_series: Mapping[str, str] | None = None

    def render(
        self, name: str, value: Any, attrs: Any = None, renderer: Any = None
    ) -> SafeString:
        """Render the list and, below it, the field for other codes."""
        attrs = {**(attrs or {}), "data-language": True}
        if self.as_in_series is not None:
            attrs["data-as-in-series"] = json.dumps(self.as_in_series)
        return format_html(
            '{} <input type="text" name="{}-other" class="other-language" '
            'maxlength="{}" autocapitalize="none" autocomplete="off" '
            'spellcheck="false" placeholder="{}" aria-label="{}">',
            super().render(name, value, attrs, renderer),
            name,
            max_length(Story, "language"),
            gettext("Or a code, such as pt-BR"),
            gettext("Code of another language"),
        )

    def optgroups(self, name: str, value: Any, attrs: Any = None) -> Any:
        """Return the languages, and the current one if it is none of them."""
        named = languages.own_names()
        self.choices = [
            *([("", self.empty)] if self.empty else []),
            *((tag, tag) for tag in value if tag and tag not in named),
            *((tag, f"{own} ({tag})") for tag, own in named.items()),
        ]
        return super().optgroups(name, value, attrs)

    def create_option(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Give each name its language, and the direction of that."""
        option: dict[str, Any] = super().create_option(*args, **kwargs)
        if tag := str(option["value"]):
            option["attrs"] |= {"lang": tag, "dir": languages.direction(tag)}
        return option

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        """Return the code that was typed, or else the one that was chosen."""
        typed = data.get(f"{name}-other", "").strip()
        return typed or super().value_from_datadict(data, files, name)


class LanguageField(forms.CharField):
    """A story's language; a form's `clean_language` checks codes that are typed."""

    widget = LanguageSelect

    def __init__(self, *, empty: Any = "", **kwargs: Any) -> None:
        kwargs.setdefault("label", gettext_lazy("Language"))
        super().__init__(max_length=max_length(Story, "language"), **kwargs)
        self.widget.empty = empty


def _checked_language(typed: str) -> str:
    try:
        return languages.canonical_tag(typed)
    except languages.LanguageError as error:
        raise forms.ValidationError(str(error)) from error


def _speak(form: forms.BaseForm, names: Iterable[str], tag: str) -> None:
    """Give fields the language and direction of the texts that are typed in them."""
    for name in names:
        attrs = {"lang": tag, "dir": languages.direction(tag), "data-speaks": True}
        form.fields[name].widget.attrs |= attrs


class SeriesForm(forms.ModelForm):  # type: ignore[type-arg]
    """A series in the admin."""

    language = LanguageField(
        empty=gettext_lazy("The site’s language"),
        required=False,
        help_text=Series._meta.get_field("language").help_text,
    )

    class Meta:
        model = Series
        fields = [
            *("name", "slug", "description", "language"),
            *("quiet_reminder_hours", "quiet_hours", "quiet_action"),
        ]

    def clean_language(self) -> str:
        """Check the language, if there is one."""
        typed = self.cleaned_data["language"]
        return _checked_language(typed) if typed else ""


class NewStoryForm(forms.Form):
    """A new story with its original entry."""

    headline = forms.CharField(
        label=gettext_lazy("Headline"), max_length=max_length(Story, "headline")
    )
    series = forms.ModelChoiceField(
        Series.objects.all(),
        label=gettext_lazy("Series"),
        required=False,
        empty_label=gettext_lazy("No series"),
    )
    standfirst = forms.CharField(
        label=gettext_lazy("Standfirst"),
        required=False,
        max_length=max_length(Story, "standfirst"),
        help_text=gettext_lazy("One or two sentences under the headline."),
    )
    begins = forms.CharField(
        label=gettext_lazy("Coverage begins (GMT)"),
        required=False,
        max_length=40,
        help_text=gettext_lazy("To announce the story, such as 0800 tomorrow."),
    )
    language = LanguageField(empty=gettext_lazy("That of the series"), required=False)
    slug = forms.CharField(
        label=gettext_lazy("Slug"),
        required=False,
        max_length=max_length(Story, "slug"),
        widget=forms.TextInput(attrs=SLUG_ATTRS),
        help_text=gettext_lazy("URL. Leave empty to make it from the headline."),
    )
    original = forms.CharField(
        label=gettext_lazy("Original entry"),
        required=False,
        strip=False,
        help_text=gettext_lazy("The opening report, shown at the foot of the page."),
        widget=forms.Textarea(attrs={"rows": 12}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = {str(one.pk): _language_in(one) for one in _with_newest(Series.objects)}
        own[""] = Series.language_of(None)
        self.fields["language"].widget.as_in_series = own
        typed = self["language"].value() or own.get(self["series"].value() or "")
        _speak(self, ("headline", "standfirst", "original"), typed or own[""])

    def clean_original(self) -> str:
        """Normalize line breaks."""
        return rendering.tidy(self.cleaned_data["original"])

    def clean_begins(self) -> datetime | None:
        """Parse when an announced story's coverage begins."""
        try:
            return time_input.parse_time(self.cleaned_data["begins"], timezone.now())
        except time_input.TimeError as error:
            raise forms.ValidationError(str(error)) from error

    def clean_language(self) -> str:
        """Return the language; without a choice, that of the series or the site."""
        if chosen := self.cleaned_data["language"]:
            return _checked_language(chosen)
        series = self.cleaned_data.get("series")
        found = _with_newest(Series.objects.filter(pk=series.pk)) if series else ()
        return next(map(_language_in, found), Series.language_of(None))

    def matches(self, story: Story) -> bool:
        """Return whether a story has the values of this form, so it was sent twice."""
        data = self.cleaned_data
        original = story.entries.filter(kind="original").first()
        typed = [rendering.one_line(data[name]) for name in ("headline", "standfirst")]
        typed += [data["series"], data["language"], data["original"].strip()]
        body = original.body if original else ""
        saved = [story.headline, story.standfirst, story.series, story.language]
        if data["slug"] not in ("", story.slug):
            return False
        return typed == [*saved, body]


def _with_newest(found: Any) -> Any:
    """Annotate series with the language of their newest story."""
    newest = Story.objects.filter(series=OuterRef("pk")).values("language")[:1]
    return found.annotate(language_of_newest=Subquery(newest))


def _language_in(series: Series) -> str:
    """Return the language of new stories: the series' own, or its newest story's."""
    newest = getattr(series, "language_of_newest", None)
    return series.language or newest or Series.language_of(series)


def described_image(image: Image | None) -> Image | None:
    """Return an image. Raises ValidationError if its file is there without alt text."""
    if image and image.stem and not image.described:
        raise forms.ValidationError(
            gettext("The picture “%(name)s” has no alt text. Describe it first."),
            params={"name": image.name},
        )
    return image


class StoryForm(forms.ModelForm):  # type: ignore[type-arg]
    """The head of a story, validated here and saved by a verb."""

    language = LanguageField()

    class Meta:
        model = Story
        fields = [
            "headline",
            "slug",
            "series",
            "standfirst",
            "summary",
            "language",
            "lead_image",
            "first_day",
            "continues_in",
        ]
        field_classes = {"first_day": TypedDayField}
        help_texts = {
            "slug": gettext_lazy("URL. Old URLs redirect."),
            "standfirst": gettext_lazy("One or two sentences under the headline."),
            "continues_in": gettext_lazy(
                "Where coverage continues after this story has closed."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["slug"].widget.attrs |= SLUG_ATTRS
        self.fields["slug"].error_messages.update(verbs.slug_errors())
        # Versioned fields are guarded by the version. The others are saved only if
        # changed on the page, so that an old page does not undo a colleague's change.
        for name in set(self.fields) - set(StoryVersion.FIELDS):
            self.fields[name].show_hidden_initial = True
        _speak(self, StoryVersion.FIELDS, self.instance.language)

    @property
    def changed(self) -> dict[str, Any]:
        """Return the versioned fields, and the others that the editor changed."""
        names = {*self.changed_data, *StoryVersion.FIELDS}
        return {n: value for n, value in self.cleaned_data.items() if n in names}

    @property
    def expected(self) -> dict[str, Any]:
        """Return what the page showed of the fields that are not versioned."""
        found = {}
        for name in set(self.fields) - set(StoryVersion.FIELDS):
            field, bound = self.fields[name], self[name]
            if bound.html_initial_name in self.data:
                with suppress(forms.ValidationError):
                    text = self.data[bound.html_initial_name]
                    found[name] = field.to_python(text)
        return found

    def clean_language(self) -> str:
        """Check a new language; one that the story has already is left as it is."""
        typed: str = self.cleaned_data["language"]
        same = typed == self.initial.get("language")
        return typed if same else _checked_language(typed)

    def clean_lead_image(self) -> Image | None:
        """Refuse an image that readers would not see, because it has no alt text."""
        image = self.cleaned_data["lead_image"]
        return described_image(image) if "lead_image" in self.changed_data else image

    def clean_summary(self) -> str:
        """Normalize line breaks."""
        return rendering.tidy(self.cleaned_data["summary"])
