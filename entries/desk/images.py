"""Images and recordings at the desk: uploads, and the texts of each.

The composer shows a card, with a form, for every image in the text. A recording is an
image with a media type.
"""

from collections.abc import Iterable, Sequence
from copy import copy
from typing import Any, BinaryIO, Final, TypeVar, cast

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.template.loader import render_to_string
from django.utils.text import slugify
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from entries import verbs
from entries.desk.access import desk_view, int_or_zero
from entries.desk.audit_log import ADDITION, log_action, log_once
from entries.desk.forms import TextForm
from entries.desk.responses import text_response
from entries.images import ingest
from entries.models import Entry, Image, Link, Posting, Story
from entries.models.entries import written_by
from entries.text import captions, languages, rendering, urls
from entries.verbs import UNKNOWN_IMAGE, Permissions, Refused

_CARDS = "admin/entries/desk/_pictures.html"
_INITIAL_VALUES = "admin/entries/desk/_picture_shown.html"
Form = TypeVar("Form", bound=TextForm)
# Chrome knows no media type of HEIC, so "image/*" alone would leave it out.
ACCEPTED_FILES = (
    "image/*, .heic, .heif, .hif, video/mp4, video/webm, video/quicktime, "
    "audio/mpeg, audio/mp4, audio/webm, .mp4, .m4v, .mov, .webm, .mp3, .m4a, .weba"
)
_WORDS: Final = ("caption", "credit")
_SPEECH: Final = ("no_speech", "transcript", *_WORDS)
# The fields of each kind, in the order of their card.
FIELDS: Final = {
    Image.IMAGE: ("alt", "decorative", *_WORDS, "focal_x", "focal_y"),
    Image.VIDEO: ("alt", *_SPEECH, "captions", "captions_language", "poster"),
    Image.AUDIO: ("alt", *_SPEECH),
}


class ImageForm(forms.ModelForm):  # type: ignore[type-arg]
    """The texts and the focal point of an image, saved as they are typed.

    `needed` is whether alt text is required to publish, `settled` whether the form has
    been saved. A form with data needs the `permissions` of who sent it. A recording has
    other fields.
    """

    poster = forms.ModelChoiceField(
        Image.objects.none(),
        to_field_name="name",
        required=False,
        widget=forms.TextInput,
        error_messages={
            "invalid_choice": gettext_lazy("There is no picture named “%(value)s”.")
        },
    )

    class Meta:
        model = Image
        fields = list(
            dict.fromkeys(name for names in FIELDS.values() for name in names)
        )

    def __init__(
        self,
        *args: Any,
        needed: bool = False,
        permissions: Permissions | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.needed = needed
        self.settled = False
        for name in set(self.fields) - set(FIELDS[self.instance.kind]):
            del self.fields[name]
        if permissions and "poster" in self.fields:
            # A poster that is left as it is may be one that the editor cannot see.
            seen = Q(pk__in=visible_images(permissions)) | Q(poster_of=self.instance)
            found = Image.objects.still_images().filter(seen).distinct()
            cast(Any, self.fields["poster"]).queryset = found
        self.initial["poster"] = self.instance.poster and self.instance.poster.name
        for field in self.fields.values():
            field.show_hidden_initial = True
        for name in {"focal_x", "focal_y", "captions_language"} & set(self.fields):
            self.fields[name].required = False  # a page without them leaves them alone

    def add_initial_prefix(self, field_name: str) -> str:
        """Name the hidden field with the initial value, unlike the field itself."""
        return f"{self.add_prefix(field_name)}-shown"

    def clean_captions(self) -> str:
        """Return the captions as WebVTT."""
        try:
            return captions.tidy_captions(self.cleaned_data["captions"])
        except captions.CaptionsError as error:
            raise forms.ValidationError(str(error)) from error

    def clean_transcript(self) -> str:
        """Return the transcript without control characters."""
        return rendering.tidy(self.cleaned_data["transcript"])

    def clean_captions_language(self) -> str:
        """Return the language tag in its canonical form."""
        typed = self.cleaned_data["captions_language"]
        try:
            return languages.canonical_tag(typed or self.instance.captions_language)
        except languages.LanguageError as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        """Require alt text for a published image, and ignore unchanged fields."""
        data = super().clean() or self.cleaned_data
        for name in set(self.fields) - set(self.changed_data):
            # so as not to undo a colleague's change
            data[name] = getattr(self.instance, name)
        for name in ("focal_x", "focal_y"):
            if data.get(name, 0) is None:
                data[name] = 50
        described = copy(self.instance)
        for name, value in data.items():
            setattr(described, name, value)
        valid = "alt" in data and not {"captions", "transcript"} & set(self.errors)
        if valid and not described.described and verbs.seen_by_readers(self.instance):
            message, field = verbs.missing_text(described)
            self.add_error(field, message)
        return data

    @property
    def initial_values(self) -> list[tuple[str, Any]]:
        """Return the hidden fields that the next request is compared with."""
        return [(field.html_initial_name, self._initial(field) or "") for field in self]

    def _initial(self, field: forms.BoundField) -> Any:
        if self.settled:
            return field.value()
        return self.data.get(field.html_initial_name, self.initial[field.name])

    @property
    def alt_error(self) -> str:
        """Return the error to show beside the alt text."""
        errors = self.errors.get("alt") or self.non_field_errors()
        if self.is_bound and errors:
            return str(errors[0])
        image: Image = self.instance
        spoken_only = bool(image.alt.strip()) and image.media_type
        return "" if spoken_only or not self._is_needed else image.lacks

    @property
    def speech_error(self) -> str:
        """Return the error to show beside the choice that nobody speaks."""
        if errors := self.errors.get("no_speech"):
            return str(errors[0])
        return self.instance.lacks_for_speech if self._is_needed else ""

    @property
    def _is_needed(self) -> bool:
        return self.needed and not self.instance.missing

    @property
    def speech_open(self) -> bool:
        """Whether the fields with captions and transcript have something to see."""
        shown = {"captions", "captions_language", "transcript", "poster"}
        return bool(set(self.errors) & shown or self.speech_error)

    @property
    def focal_fields(self) -> list[forms.BoundField]:
        """Return the two fields of the focal point."""
        return [self["focal_x"], self["focal_y"]]

    @property
    def folded_errors(self) -> bool:
        """Whether a field other than the alt text has an error."""
        return bool(set(self.errors) & {*_WORDS, "focal_x", "focal_y"})

    @property
    def slots(self) -> list[tuple[str, str]]:
        """Return the HTML id and message (or "") of every field's place for errors."""
        first = {
            name: str(next(iter(self.errors.get(name, [])), "")) for name in self.fields
        }
        places = first | {"alt": self.alt_error}
        places.pop("decorative", None)  # which has no place
        if "no_speech" in places:
            places["no_speech"] = self.speech_error
        return [(f"{self[n].id_for_label}-error", text) for n, text in places.items()]


def image_form(
    image: Image,
    request: HttpRequest | None = None,
    *,
    needed: bool = False,
) -> ImageForm:
    """Return the form on an image's card, with the values of a request that sent it."""
    return ImageForm(
        request.POST if request else None,
        instance=image,
        prefix=f"picture-{image.pk}",
        needed=needed,
        permissions=Permissions.of(request.user) if request else None,
        auto_id="%s",
    )


def store_upload(
    permissions: Permissions,
    file: "UploadedFile[Any]",
    name: str = "",
    language: str = "",
) -> Image:
    """Store an uploaded file and return its image.

    `name` is the one that the text has for it already; without one, a new image is
    named after the file. A file that was uploaded before brings its texts along.
    `language` is the one that its captions probably have. Raises ImageError or Refused.
    """
    ingested = verbs.ingest_upload(cast(BinaryIO, file))
    alike = list(Image.objects.filter(stem=ingested.stem).order_by("pk"))
    known = [one for one in alike if name in ("", one.name)]
    if known:
        return known[0]
    texts = _texts(alike[0] if alike else None)
    if language and ingested.media_type:
        texts = {"captions_language": language} | texts
    image = _add(permissions, file, ingested, name, texts)
    log_action(permissions.user, image, "Uploaded the file.", ADDITION)
    return image


def _add(
    permissions: Permissions,
    file: "UploadedFile[Any]",
    ingested: ingest.IngestedImage,
    given: str,
    texts: dict[str, Any],
) -> Image:
    """Add an image; try the next free name if a colleague has just taken this one."""
    while True:
        name = given or _free_name(file.name or "")
        try:
            return verbs.add_image(name, ingested, by=permissions, **texts)
        except Refused:
            if given:
                raise
            if name == _free_name(file.name or ""):
                raise


def _texts(image: Image | None) -> dict[str, Any]:
    """Return the texts of an image, for another with the same file."""
    names = ("alt", "caption", "credit", *Image.MORE_TEXTS)
    return {name: getattr(image, name) for name in names} if image else {}


def reserve_pending(permissions: Permissions, names: Sequence[str], body: str) -> None:
    """Make rows for those images of a draft that are still being uploaded.

    `names` are those that the page is uploading. An upload completes its row.
    """
    for name in sorted({*rendering.image_names(body)} & {*names}):
        verbs.reserve_image(name, by=permissions)


def _free_name(file_name: str) -> str:
    stem = file_name.rpartition(".")[0] or file_name
    base = slugify(stem, allow_unicode=True)[:100].strip("-") or "picture"
    alike = Image.objects.filter(name__startswith=base)
    taken = set(alike.values_list("name", flat=True))
    return urls.free_name(base, taken.__contains__)


def images_in(body: str) -> list[Image]:
    """Return the images in a text, in order of appearance."""
    names = rendering.image_names(body)
    found = {image.name: image for image in Image.objects.named(names)}
    return [found[name] for name in names if name in found]


def visible_images(permissions: Permissions) -> QuerySet[Image]:
    """Return the images a user may see: public ones, and those in their own texts."""
    if permissions.can_view_unpublished:
        return Image.objects.all()
    shown = Posting.objects.visible().filter(entry__images=OuterRef("pk"))
    led = Story.objects.public().filter(lead_image=OuterRef("pk"))
    features = Link.objects.visible().filter(
        Q(story=None, entry=None) | Q(story__state__in=Story.BEGUN),
        image=OuterRef("pk"),
    )
    own = Entry.objects.filter(written_by(permissions.user), images=OuterRef("pk"))
    return Image.objects.filter(
        Exists(shown) | Exists(led) | Exists(features) | Exists(own)
    )


def check_images(permissions: Permissions, body: str) -> None:
    """Raise Refused if a text contains images that its writer may not see."""
    if permissions.can_view_unpublished:
        return
    names = set(rendering.image_names(body))
    allowed = visible_images(permissions).filter(name__in=names)
    if unknown := names - set(allowed.values_list("name", flat=True)):
        raise Refused(UNKNOWN_IMAGE.format(min(unknown)), "body")


def image_cards(found: Iterable[Image]) -> list[ImageForm]:
    """Return a card for each image whose file is not missing."""
    return [image_form(image) for image in found if image.stem]


def bound_cards(
    request: HttpRequest, body: str, *, needed: bool = False
) -> list[ImageForm]:
    """Return the cards of a text's images, bound to the values that were sent.

    `needed` marks the ones without alt text.
    """
    sent = set(request.POST.getlist("picture"))
    return [
        image_form(image, request if str(image.pk) in sent else None, needed=needed)
        for image in images_in(body)
        if image.stem
    ]


def deleted_images(request: HttpRequest) -> bool:
    """Return whether an image whose card was sent has been deleted meanwhile."""
    sent = {int_or_zero(pk) for pk in request.POST.getlist("picture")}
    return bool(sent) and Image.objects.filter(pk__in=sent).count() < len(sent)


def add_refusal(form: TextForm, refused: Refused) -> None:
    """Add a verb's refusal to the form, as an error of its field.

    If it may be about missing alt text, which the cards show, it is added to the form
    as a whole.
    """
    body = form.data.get("body", "")
    undescribed = any(image.stem and not image.described for image in images_in(body))
    field = "" if refused.field == "body" and undescribed else refused.field
    form.refuse(field, str(refused))


def save_image_forms(request: HttpRequest) -> bool:
    """Save the image cards sent with a text; return whether all of its were valid.

    Those of images that the text does not show (any more) are saved if they can be.
    """
    if not request.user.has_perm("entries.change_image"):
        return True
    named = request.POST.getlist("picture")
    found = Image.objects.filter(pk__in=map(int_or_zero, named)) if named else []
    forms = [image_form(image, request) for image in found]
    for form in forms:
        if form.is_valid():
            _save(request, form)
    shown = {image.pk for image in images_in(request.POST.get("body", ""))}
    return all(form.is_valid() for form in forms if form.instance.pk in shown)


def _save(request: HttpRequest, form: ImageForm) -> None:
    """Save the changed fields; a refusal becomes an error of the form."""
    if not form.changed_data:
        return
    permissions = Permissions.of(request.user)
    try:
        verbs.save_image(form.instance, form.changed_data, by=permissions)
    except Refused as refused:
        form.add_error(refused.field or None, str(refused))
    else:
        log_once(permissions.user, form.instance, "Changed its words.")


def append_upload(request: HttpRequest, kind: type[Form], name: str) -> Form:
    """Return the sent form, with the uploaded image as the last line of its text.

    If the file is refused, the text is unchanged and the form has the error.
    """
    data = request.POST.copy()
    try:
        image = store_upload(Permissions.of(request.user), _file(request))
    except (ingest.ImageError, Refused) as error:
        form = kind(data, name=name)
        form.refuse("", str(error))
        return form
    data["body"] = f"{data.get('body', '').rstrip()}\n\n{image.line}\n"
    return kind(data, name=name)


def _file(request: HttpRequest) -> "UploadedFile[Any]":
    file = request.FILES.get("file")
    if file is None:
        raise Refused(gettext("Choose a picture first."))
    return file


@desk_view("add_image", "view_story")
@require_POST
def upload_image(request: HttpRequest, pk: int) -> HttpResponse:
    """Store an uploaded file, and respond with its card."""
    file = request.FILES.get("file")
    if file is None:
        return text_response(gettext("Choose a picture first."), 400)
    permissions = Permissions.of(request.user)
    name, story = request.POST.get("name", ""), Story.objects.filter(pk=pk).first()
    language = story.language if story else ""
    try:
        image = store_upload(permissions, file, name, language)
    except (ingest.ImageError, Refused) as error:
        return text_response(str(error), 422)
    context = {"pictures": image_cards([image]), "story": Story(pk=pk)}
    return render(request, _CARDS, context)


@desk_view("add_image", "view_story")
@require_safe
def show_cards(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the cards of the images in a restored draft."""
    names: Sequence[str] = request.GET.getlist("name")
    found = Image.objects.named(names)
    context = {"pictures": image_cards(found), "story": Story(pk=pk)}
    return render(request, _CARDS, context)


@desk_view("change_image")
@require_POST
def save_image_fields(request: HttpRequest, pk: int, image_pk: int) -> HttpResponse:
    """Save the fields of one card as they are typed."""
    image = get_object_or_404(Image, pk=image_pk)
    form = image_form(image, request)
    if form.is_valid():
        _save(request, form)
    form.settled = form.is_valid()
    initial = render_to_string(_INITIAL_VALUES, {"card": form})
    slots = [*form.slots, (f"picture-{image_pk}-shown", initial)]
    return render(request, "admin/entries/desk/_slots.html", {"slots": slots})
