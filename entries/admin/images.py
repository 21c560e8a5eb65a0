"""The image library in the admin: uploads, alt text, captions and credits."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy

from entries import verbs
from entries.admin.lists import BaseAdmin
from entries.desk import images
from entries.desk.responses import render_page
from entries.images.ingest import ImageError
from entries.models import Entry, Image
from entries.models.fields import max_length
from entries.verbs import Permissions, Refused


class UploadForm(forms.Form):
    """An image file, and the name of a missing image if it is the file of one."""

    file = forms.FileField(
        label=gettext_lazy("Picture, video or audio"),
        help_text=gettext_lazy(
            "JPEG, PNG, WebP, GIF, AVIF or HEIC, up to 25 MB. Short recordings: MP4, "
            "WebM, MP3 or M4A."
        ),
        widget=forms.FileInput(attrs={"accept": images.ACCEPTED_FILES}),
    )
    name = forms.SlugField(
        label=gettext_lazy("Name"),
        required=False,
        allow_unicode=True,
        max_length=max_length(Image, "name"),
        help_text=gettext_lazy(
            "The name that texts use for it. Empty: made from the file’s name."
        ),
    )


@admin.register(Image)
class ImageAdmin(BaseAdmin):
    """The image library."""

    form = images.ImageForm
    list_display = ["thumbnail", "name", "alt", "caption", "credit", "shown_in"]
    list_display_links = ["thumbnail", "name"]
    list_select_related = ["poster"]
    search_fields = ["folded"]
    readonly_fields = ["preview", "embed"]

    def get_fields(self, request: HttpRequest, obj: Image | None = None) -> list[Any]:
        """Return the fields of an image, or those of a recording."""
        kind = obj.kind if obj else Image.IMAGE
        return ["preview", "embed", *images.FIELDS[kind]]

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Count the entries that show each image of a page, in one query."""
        changelist = super().get_changelist_instance(request)
        shown = Entry.images.through.objects.filter(image__in=changelist.result_list)
        counts = shown.values_list("image").annotate(Count("pk"))
        uses = dict(counts.order_by())
        for image in changelist.result_list:
            image.uses = uses.get(image.pk, 0)
        return changelist

    @admin.display(description=gettext_lazy("picture"))
    def thumbnail(self, image: Image) -> str:
        if image.missing:
            return gettext("Missing file")
        return format_html(
            '<img class="library-thumb" src="{}" alt="{}" width="{}" height="{}" '
            'loading="lazy">',
            image.thumb,
            image.name,  # the text of the link around it
            image.width or 160,
            image.height or 90,
        )

    @admin.display(description=gettext_lazy("picture"))
    def preview(self, image: Image) -> str:
        """Show the image, or link to the form that uploads its missing file."""
        if image.missing:
            url = f"{reverse('admin:entries_image_add')}?name={image.name}"
            return format_html(
                '{} <a href="{}">{}</a>',
                gettext("Its file is missing."),
                url,
                gettext("Upload it"),
            )
        if image.media_type:
            context = {"image": image}
            return render_to_string("admin/entries/desk/_player.html", context)
        return format_html(
            '<img class="library-picture" src="{}" alt="{}" width="{}" height="{}">',
            image.thumb,
            image.alt,
            image.width,
            image.height,
        )

    @admin.display(description=gettext_lazy("in a text"))
    def embed(self, image: Image) -> str:
        """Return the Markdown that embeds the image in a text."""
        return format_html("<code>{}</code>", image.line)

    @admin.display(description=gettext_lazy("entries"))
    def shown_in(self, image: Image) -> int:
        return int(getattr(image, "uses", 0))

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Store an uploaded file and redirect to the form for its alt text.

        Unlike Django's own view, this opens no transaction, since ingesting is slow.
        """
        if not self.has_add_permission(request):
            raise PermissionDenied
        initial = {"name": request.GET.get("name", "")}
        form = UploadForm(request.POST or None, request.FILES or None, initial=initial)
        if request.method == "POST" and form.is_valid():
            data = form.cleaned_data
            try:
                permissions = Permissions.of(request.user)
                image = images.store_upload(permissions, data["file"], data["name"])
            except ImageError as error:
                form.add_error("file", str(error))
            except Refused as refused:
                form.add_error(refused.field or None, str(refused))
            else:
                messages.success(request, gettext("Uploaded. Add alt text."))
                return redirect("admin:entries_image_change", image.pk)
        template, title = "admin/entries/image/upload.html", gettext("Add picture")
        return render_page(request, template, {"form": form}, title=title, model=Image)

    def save_model(
        self, request: HttpRequest, obj: Image, form: Any, change: bool
    ) -> None:
        """Save an image through its verb, which rerenders whatever shows it."""
        permissions = Permissions.of(request.user)
        verbs.save_image(obj, form.changed_data, by=permissions)

    def delete_model(self, request: HttpRequest, obj: Image) -> None:
        """Delete an image through its verb, with its files."""
        verbs.delete_image(obj, by=Permissions.of(request.user))

    def deletable(self, obj: Image) -> bool:
        """Return False for images that something shows."""
        return verbs.is_unused(obj)
