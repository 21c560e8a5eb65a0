"""Pictures in the admin: the library, uploads, and the words of each."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html

from entries import verbs
from entries.admin.lists import BaseAdmin
from entries.desk import images
from entries.images.ingest import ImageError
from entries.models import Entry, Image
from entries.verbs import Permissions, Refused


class UploadForm(forms.Form):
    """A picture file, and the name of the missing picture that it is, if any."""

    file = forms.FileField(
        label="Picture",
        help_text="JPEG, PNG, WebP, GIF or AVIF, up to 25 MB.",
        widget=forms.FileInput(attrs={"accept": "image/*"}),
    )
    name = forms.SlugField(
        required=False,
        allow_unicode=True,
        max_length=120,
        help_text="What texts call it. Empty: made from the file's name.",
    )


@admin.register(Image)
class ImageAdmin(BaseAdmin):
    """The library of pictures."""

    form = images.ImageForm
    list_display = ["thumbnail", "name", "alt", "caption", "credit", "shown_in"]
    list_display_links = ["thumbnail", "name"]
    search_fields = ["name", "alt", "caption", "credit"]
    readonly_fields = ["preview", "embed"]
    fields = ["preview", "embed", "alt", "decorative", "caption", "credit"]

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Count the entries that show each picture of the page."""
        changelist = super().get_changelist_instance(request)
        shown = Entry.images.through.objects.filter(image__in=changelist.result_list)
        counts = shown.values_list("image").annotate(Count("pk"))
        uses = dict(counts.order_by())
        for image in changelist.result_list:
            image.uses = uses.get(image.pk, 0)
        return changelist

    @admin.display(description="picture")
    def thumbnail(self, image: Image) -> str:
        """Show it small."""
        if image.missing:
            return "Missing file"
        return format_html(
            '<img class="library-thumb" src="{}" alt="{}" width="{}" height="{}" '
            'loading="lazy">',
            image.thumb,
            image.name,  # it is a link, and wants a name
            image.width,
            image.height,
        )

    @admin.display(description="picture")
    def preview(self, image: Image) -> str:
        """Show it, or lead to where its file can be brought."""
        if image.missing:
            url = f"{reverse('admin:entries_image_add')}?name={image.name}"
            return format_html('Its file is missing. <a href="{}">Upload it</a>', url)
        return format_html(
            '<img class="library-picture" src="{}" alt="{}" width="{}" height="{}">',
            image.thumb,
            image.alt,
            image.width,
            image.height,
        )

    @admin.display(description="in a text")
    def embed(self, image: Image) -> str:
        """Say what line shows it in a text."""
        return format_html("<code>![](image:{})</code>", image.name)

    @admin.display(description="entries")
    def shown_in(self, image: Image) -> int:
        """Say how many entries show it."""
        return int(getattr(image, "uses", 0))

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Take a file, outside of any transaction, and go on to its words."""
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
                messages.success(request, "Stored. Now say what it shows.")
                return redirect("admin:entries_image_change", image.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": "Add picture",
            "opts": self.opts,
            "form": form,
        }
        return render(request, "admin/entries/image/upload.html", context)

    def save_model(
        self, request: HttpRequest, obj: Image, form: Any, change: bool
    ) -> None:
        """Save its words through the verb, which renders anew what shows it."""
        permissions = Permissions.of(request.user)
        verbs.save_image(obj, form.changed_data, by=permissions)

    def delete_model(self, request: HttpRequest, obj: Image) -> None:
        """Delete it through the verb: the row, and then its files."""
        verbs.delete_image(obj, by=Permissions.of(request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Image]) -> None:
        """Delete several, one after the other."""
        for image in queryset:
            self.delete_model(request, image)

    def has_delete_permission(
        self, request: HttpRequest, obj: Image | None = None
    ) -> bool:
        """Refuse one that an entry or a story shows."""
        allowed = super().has_delete_permission(request, obj)
        if obj is None or not allowed:
            return allowed
        return not any(
            rows.exists() for rows in (obj.entries, obj.led_stories, obj.featured)
        )
