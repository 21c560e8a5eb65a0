"""The forms of the desk: what is typed, checked and turned into arguments of verbs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from django import forms
from django.utils import timezone

from entries.models import Draft, Entry, Series, Story, StoryVersion
from entries.text import limits, rendering, time_input
from entries.verbs import EntryText


class TextForm(forms.Form):
    """What an entry says, and when."""

    at = forms.CharField(label="Time (GMT)", required=False, max_length=40)
    headline = forms.CharField(required=False, max_length=200)
    # The verbs say when it is missing or too long, for whoever asks.
    body = forms.CharField(label="Text", required=False, strip=False)

    limit = limits.MAX_BODY_LENGTH
    kept = ""  # unsent texts of its writer, as JSON for the script
    offers: Sequence[Draft] = ()  # the same, for a page without one
    guard = "key"  # the field whose value tells a filled form from others
    restored = False

    def __init__(self, *args: Any, name: str = "composer", **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", f"{name}-%s")
        super().__init__(*args, **kwargs)
        self.name = name

    def clean_at(self) -> datetime | None:
        """Return the minute that was meant, None for now."""
        try:
            return time_input.parse_time(self.cleaned_data["at"], timezone.now())
        except time_input.TimeError as error:
            raise forms.ValidationError(str(error)) from error

    def clean_body(self) -> str:
        """Return the text with one kind of line break."""
        return rendering.tidy(self.cleaned_data["body"])

    def text(self, byline: str = "") -> EntryText:
        """Return what was written, for a verb."""
        data = self.cleaned_data
        return EntryText(
            data["body"],
            headline=data["headline"],
            at=data["at"],
            byline=data.get("byline", byline),
        )

    def put_back(self, key: str, values: dict[str, Any]) -> None:
        """Fill the form with a text that was kept of it, under the key it had."""
        self.initial = {**self.initial, **values, self.guard: key}
        self.restored = True

    def refuse(self, field: str, words: str) -> None:
        """Put a verb's sentence beside its field, or above the buttons."""
        self.add_error(field if field in self.fields else None, words)

    @property
    def slots(self) -> list[tuple[str, str]]:
        """Return id and words of every place where an error can stand."""
        named = [
            (f"{self[field].id_for_label}-error", self._first(field))
            for field in self.fields
        ]
        return [*named, (f"{self.name}-form-error", self._first("__all__"))]

    def _first(self, field: str) -> str:
        errors = self.errors.get(field)
        return str(errors[0]) if errors else ""

    @property
    def form_error(self) -> str:
        """Return the sentence that is about no single field."""
        return self._first("__all__")


class EntryForm(TextForm):
    """A new entry: the composer, and the original entry's form.

    `key` names the filled form, so that sending it twice makes one entry; a button
    beside a conflict sends `separate`, a key of its own.
    """

    key_event = forms.BooleanField(required=False)
    pinned = forms.BooleanField(label="Pin to the top", required=False)
    key = forms.UUIDField(required=False)
    sure = forms.CharField(required=False, max_length=40)  # the odd time that is meant
    separate = forms.UUIDField(required=False)

    asked = ""  # the time that its writer is asked about now

    @classmethod
    def empty(cls, name: str = "composer") -> "EntryForm":
        """Return a form that was not sent yet."""
        return cls(initial={"key": uuid4()}, name=name)


class EditForm(TextForm):
    """An entry that is there; `version` is the one that the editor began from."""

    QUIET, CORRECTION = "quiet", "correction"
    guard = "version"

    byline = forms.CharField(required=False, max_length=100)
    version = forms.IntegerField(min_value=1)
    how = forms.ChoiceField(
        choices=[(QUIET, "Quiet edit"), (CORRECTION, "Correction")],
        required=False,
        initial=QUIET,
    )
    correction = forms.CharField(
        label="Line for readers", required=False, max_length=300
    )

    @classmethod
    def of(cls, entry: Entry) -> "EditForm":
        """Return the form filled with an entry as it stands."""
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
        """Ask a correction for its line."""
        data = super().clean() or self.cleaned_data
        corrects = data.get("how") == self.CORRECTION
        if corrects and not data.get("correction") and "correction" in data:
            self.add_error("correction", "Tell readers in a line what was wrong.")
        if not corrects:
            data["correction"] = ""
        return data


class NewStoryForm(forms.Form):
    """A new story on one screen."""

    headline = forms.CharField(max_length=200)
    series = forms.ModelChoiceField(
        Series.objects.all(), required=False, empty_label="No series"
    )
    standfirst = forms.CharField(
        required=False, max_length=500, help_text="One or two sentences under it."
    )
    original = forms.CharField(
        label="Original entry",
        required=False,
        strip=False,
        help_text="How it began: the text at the foot of the page, in Markdown.",
        widget=forms.Textarea(attrs={"rows": 12}),
    )

    def clean_original(self) -> str:
        """Return the text with one kind of line break."""
        return rendering.tidy(self.cleaned_data["original"])

    def made(self, story: Story) -> bool:
        """Whether a story is what was typed here, so that sending it twice is one."""
        data, original = (
            self.cleaned_data,
            story.entries.filter(kind="original").first(),
        )
        lines = [rendering.one_line(data[name]) for name in ("headline", "standfirst")]
        same = [*lines, data["series"]] == [
            story.headline,
            story.standfirst,
            story.series,
        ]
        return same and data["original"].strip() == (original.body if original else "")


class StoryForm(forms.ModelForm):  # type: ignore[type-arg]
    """The head of a story; whoever has checked it saves it through the verb."""

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
        help_texts = {
            "slug": "The story's address. Old ones go on leading here.",
            "standfirst": "One or two sentences under the headline.",
            "language": "As in en, ar, pt-BR.",
            "continues_in": "Where coverage goes on after this story has closed.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The words are guarded by their version. What is not changed on the page is
        # not saved, so that an older page takes back nothing that came meanwhile.
        for name in set(self.fields) - set(StoryVersion.FIELDS):
            self.fields[name].show_hidden_initial = True

    @property
    def changed(self) -> dict[str, Any]:
        """Return the words, and what else its editor has changed."""
        names = {*self.changed_data, *StoryVersion.FIELDS}
        return {n: value for n, value in self.cleaned_data.items() if n in names}

    def clean_summary(self) -> str:
        """Return the text with one kind of line break."""
        return rendering.tidy(self.cleaned_data["summary"])
