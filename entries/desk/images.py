"""Pictures at the desk: taking files, and saving the words that go with them."""

from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO, TypeVar, cast

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.template.loader import render_to_string
from django.utils.text import slugify
from django.views.decorators.http import require_POST, require_safe

from entries import verbs
from entries.desk.access import desk_view, int_or_zero
from entries.desk.audit_log import ADDITION, log_action, log_once
from entries.desk.forms import TextForm
from entries.desk.responses import text_response
from entries.images import ingest
from entries.models import Entry, Image, Story
from entries.text import rendering, urls
from entries.verbs import Permissions, Refused

_CARDS = "admin/entries/desk/_pictures.html"
_INITIAL_VALUES = "admin/entries/desk/_picture_shown.html"
Form = TypeVar("Form", bound=TextForm)
MAX_CARDS = 20  # pictures in one text that the composer shows


class ImageForm(forms.ModelForm):  # type: ignore[type-arg]
    """What is said of a picture to those who see it and to those who do not."""

    class Meta:
        model = Image
        fields = ["alt", "decorative", "caption", "credit"]

    def __init__(self, *args: Any, needed: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.needed = needed
        self.settled = False  # whether what was typed is saved
        for field in self.fields.values():
            field.show_hidden_initial = True

    def add_initial_prefix(self, field_name: str) -> str:
        """Name what the page showed so that nobody takes it for the field itself."""
        return f"{self.add_prefix(field_name)}-shown"

    def clean(self) -> dict[str, Any]:
        """Keep a picture that readers see described, and what its page left alone."""
        data = super().clean() or self.cleaned_data
        for name in set(self.fields) - set(self.changed_data):
            data[name] = self.initial[name]  # a colleague may have changed it
        described = data.get("alt", "").strip() or data.get("decorative")
        if not described and "alt" in data and self._shown:
            self.add_error("alt", verbs.ALT_TEXT_MISSING)
        return data

    @property
    def _shown(self) -> bool:
        image: Image = self.instance
        published = image.entries.filter(state=Entry.State.PUBLISHED)
        return bool(image.pk) and not image.missing and published.exists()

    @property
    def initial_values(self) -> list[tuple[str, Any]]:
        """Return the words that the next request of its card is compared with."""
        return [(field.html_initial_name, self._began(field) or "") for field in self]

    def _began(self, field: forms.BoundField) -> Any:
        if self.settled:
            return field.value()
        return self.data.get(field.html_initial_name, self.initial[field.name])

    @property
    def alt_error(self) -> str:
        """Return what is wrong with the alt text."""
        errors = self.errors.get("alt") or self.non_field_errors()
        if self.is_bound and errors:
            return str(errors[0])
        image: Image = self.instance
        if self.needed and image.stem and not image.described:
            return "Say what the picture shows, or mark it as decorative."
        return ""


def image_form(image: Image, data: Any = None, *, needed: bool = False) -> ImageForm:
    """Return the form of a picture's words, as its card holds it."""
    prefix = f"picture-{image.pk}"
    return ImageForm(data, instance=image, prefix=prefix, needed=needed, auto_id="%s")


def store_upload(
    permissions: Permissions, file: "UploadedFile[Any]", name: str = ""
) -> Image:
    """Store what somebody uploads and return its row.

    `name` fills in the missing picture of that name; otherwise the file's own name
    makes a new one. Raises `images.ImageError` or Refused with the sentence to show.
    """
    ingested = verbs.ingest_upload(cast(BinaryIO, file))
    known = Image.objects.filter(stem=ingested.stem).first()
    if known and not name:
        return known
    image = _add(permissions, file, ingested, name)
    log_action(permissions.user, image, "Uploaded the file.", ADDITION)
    return image


def _add(
    permissions: Permissions,
    file: "UploadedFile[Any]",
    ingested: ingest.IngestedImage,
    given: str,
) -> Image:
    """Add a picture; where a free name was taken meanwhile, by the next one."""
    while True:
        name = given or _free_name(file.name or "")
        try:
            return verbs.add_image(name, ingested, by=permissions)
        except Refused:
            if given:
                raise
            if name == _free_name(file.name or ""):
                raise


def _free_name(file_name: str) -> str:
    stem = file_name.rpartition(".")[0] or file_name
    base = slugify(stem, allow_unicode=True)[:100].strip("-") or "picture"
    alike = Image.objects.filter(name__startswith=base)
    taken = set(alike.values_list("name", flat=True))
    return urls.free_name(base, taken.__contains__)


def images_in(body: str) -> list[Image]:
    """Return the pictures that a text shows, in their order."""
    try:
        names = rendering.image_names(body)[:MAX_CARDS]
    except rendering.BodyError:
        return []
    found = {image.name: image for image in Image.objects.filter(name__in=names)}
    return [found[name] for name in names if name in found]


def image_cards(found: Iterable[Image]) -> list[ImageForm]:
    """Return a card for each picture that has its file."""
    return [image_form(image) for image in found if image.stem]


def bound_cards(
    request: HttpRequest, body: str, *, needed: bool = False
) -> list[ImageForm]:
    """Return the cards of a text's pictures with what was typed into them.

    `needed`: mark those without alt text.
    """
    sent = set(request.POST.getlist("picture"))
    return [
        image_form(
            image, request.POST if str(image.pk) in sent else None, needed=needed
        )
        for image in images_in(body)
        if image.stem
    ]


def add_refusal(form: TextForm, refused: Refused) -> None:
    """Put a verb's sentence where its cause is.

    What is said of the text may be about its pictures: their cards are marked then.
    """
    body = form.data.get("body", "")
    mute = any(image.stem and not image.described for image in images_in(body))
    field = "" if refused.field == "body" and mute else refused.field
    form.refuse(field, str(refused))


def save_image_forms(request: HttpRequest) -> bool:
    """Save what a form says of its pictures; False where something is wrong."""
    if not request.user.has_perm("entries.change_image"):
        return True
    named = request.POST.getlist("picture")[:MAX_CARDS]
    found = Image.objects.filter(pk__in=map(int_or_zero, named)) if named else []
    forms = [image_form(image, request.POST) for image in found]
    for form in forms:
        if form.is_valid():
            _save(request, form)
    return all(form.is_valid() for form in forms)


def _save(request: HttpRequest, form: ImageForm) -> None:
    """Save the words that were changed; what is refused is an error of the form."""
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
    """Return what was typed into a form with the file sent as its text's last line.

    Where the file cannot be taken, the text is unchanged and the form has the reason.
    """
    data = request.POST.copy()
    try:
        image = store_upload(Permissions.of(request.user), _file(request))
    except (ingest.ImageError, Refused) as error:
        form = kind(data, name=name)
        form.refuse("", str(error))
        return form
    data["body"] = f"{data.get('body', '').rstrip()}\n\n![](image:{image.name})\n"
    return kind(data, name=name)


def _file(request: HttpRequest) -> "UploadedFile[Any]":
    file = request.FILES.get("file")
    if file is None:
        raise Refused("Choose a picture first.")
    return file


@desk_view("add_image", "view_story")
@require_POST
def upload_image(request: HttpRequest, pk: int) -> HttpResponse:
    """Take one file; answer its card, whose `data-name` goes into the text."""
    file = request.FILES.get("file")
    if file is None:
        return text_response("Choose a picture first.", 400)
    try:
        image = store_upload(
            Permissions.of(request.user), file, request.POST.get("name", "")
        )
    except (ingest.ImageError, Refused) as error:
        return text_response(str(error), 422)
    context = {"pictures": image_cards([image]), "story": Story(pk=pk)}
    return render(request, _CARDS, context)


@desk_view("add_image", "view_story")
@require_safe
def show_cards(request: HttpRequest, pk: int) -> HttpResponse:
    """Answer the cards of the pictures that a kept text names."""
    names: Sequence[str] = request.GET.getlist("name")[:MAX_CARDS]
    found = Image.objects.filter(name__in=names)
    context = {"pictures": image_cards(found), "story": Story(pk=pk)}
    return render(request, _CARDS, context)


@desk_view("change_image")
@require_POST
def save_image_fields(request: HttpRequest, pk: int, image_pk: int) -> HttpResponse:
    """Save the words of one picture as they are typed."""
    image = get_object_or_404(Image, pk=image_pk)
    form = image_form(image, request.POST)
    if form.is_valid():
        _save(request, form)
    form.settled = form.is_valid()
    kept = render_to_string(_INITIAL_VALUES, {"card": form})
    name = f"picture-{image_pk}"
    slots = [(f"{name}-alt-error", form.alt_error), (f"{name}-shown", kept)]
    return render(request, "admin/entries/desk/_slots.html", {"slots": slots})
