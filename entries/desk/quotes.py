"""Posts kept as quotations, and embed codes that are pasted into the composer."""

import re
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils.translation import gettext, gettext_lazy, override
from django.views.decorators.http import require_POST

from entries.desk.access import desk_view
from entries.desk.forms import TypedTimeField
from entries.text import gmt, media, rendering, urls
from entries.text.embeds import reduce_embeds
from entries.text.quotes import Quote, is_of_post, posted_at, read_line

MAX_LENGTH = 10_000


class QuoteForm(forms.Form):
    """A post: its words, who posted it, where and when."""

    text = forms.CharField(
        max_length=MAX_LENGTH,
        error_messages={"required": gettext_lazy("Paste the text of the post.")},
    )
    name = forms.CharField(
        max_length=200,
        error_messages={"required": gettext_lazy("Write who posted it.")},
    )
    handle = forms.CharField(max_length=250, required=False)
    network = forms.CharField(max_length=60, required=False)
    at = TypedTimeField()
    url = forms.CharField(max_length=media.MAX_URL_LENGTH, required=False)

    def clean_handle(self) -> str:
        """Add the “@” if it was left out."""
        handle = "".join(self.cleaned_data["handle"].split())
        return f"@{handle.lstrip('@')}" if handle else ""

    def clean_url(self) -> str:
        """Refuse what is no URL of a page."""
        url: str = self.cleaned_data["url"]
        if url and not (urls.is_safe(url) and url.lower().startswith("http")):
            raise forms.ValidationError(
                gettext("Write the whole address, like https://bsky.app/profile/…")
            )
        return url

    def clean(self) -> dict[str, Any]:
        """Fill in what the URL says, and check that the line can be read back."""
        data = super().clean() or self.cleaned_data
        if self.errors:
            return data
        url = data["url"]
        if not (url or data["handle"]):
            self.add_error("url", gettext("Add the address of the post or a handle."))
            return data
        found = media.find(url) if url else None
        data["network"] = data["network"] or (found.provider if found else "")
        quote = self.quote()
        if not quote.handle and not is_of_post(url, quote.network):
            message = gettext("Add a handle: this address is not of a known network.")
            self.add_error("handle", message)
        elif re.search(r"[,()]| on ", quote.network):
            message = gettext("Leave out brackets, commas and “on” here.")
            self.add_error("network", message)
        elif read_line(quote.line) != quote:
            self.add_error("name", gettext("Leave out brackets and line breaks here."))
        return data

    def quote(self) -> Quote:
        """Return whose post it is."""
        data = self.cleaned_data
        with override("en"):  # it becomes part of the text
            when = gmt.format_full(data["at"]) if data["at"] else ""
        when = when or posted_at(data["url"], "")
        name, network = map(rendering.one_line, (data["name"], data["network"]))
        return Quote(name, data["handle"], network, when, data["url"])

    def markdown(self) -> str:
        """Return the quotation for the text."""
        words = rendering.tidy(self.cleaned_data["text"]).strip()
        return self.quote().markdown(rendering.escape_markdown(words))


@desk_view("view_story", "add_entry")
@require_POST
def quote_post(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Return a post as Markdown, or what to mend in each field (422)."""
    form = QuoteForm(request.POST)
    if form.is_valid():
        return JsonResponse({"text": form.markdown()})
    errors = {name: str(messages[0]) for name, messages in form.errors.items()}
    return JsonResponse({"errors": errors}, status=422)


@desk_view("view_story", "add_entry")
@require_POST
def reduce_code(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Return a pasted text with its embed codes reduced to Markdown."""
    return JsonResponse(
        {"text": reduce_embeds(rendering.tidy(request.POST.get("text", "")))}
    )
