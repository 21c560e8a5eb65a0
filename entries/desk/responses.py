"""How a desk view answers: a page, a fragment for htmx, a redirect, or a refusal.

A view fetches its rows, checks permissions, and returns `respond()` for a form that was
sent, or `render_panel()` for one to fill in. Every control is a link or a form first,
so each view answers browsers without scripts too.
"""

import json
from collections.abc import Callable
from typing import Any, Protocol

from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from entries.models import Story
from entries.public import errors
from entries.verbs import Refused


class HasUrl(Protocol):
    """An object that `redirect()` can lead to."""

    def get_absolute_url(self) -> str: ...


def is_htmx(request: HttpRequest) -> bool:
    """Return whether htmx sent the request: it wants fragments instead of a page."""
    return bool(request.htmx)  # type: ignore[attr-defined]


def respond(
    request: HttpRequest,
    act: Callable[[], str],
    *,
    to: str | HasUrl,
    partial: Callable[[str], HttpResponse] | None = None,
    retry: Callable[[], HttpResponse] | None = None,
    refused: Callable[[Refused], HttpResponse | None] | None = None,
) -> HttpResponse:
    """Run an action and answer with its outcome, or with the reason it was refused.

    `act` calls the verbs, writes the audit log and returns a message for the editor
    (empty for none). htmx then gets `partial(message)`; a browser without scripts is
    redirected to `to`, which shows the message.

    A refusal reaches htmx as plain text with status 409, which the page shows beside
    the button; other browsers get the message on `retry()`, by default on `to`. A view
    with a better answer, such as errors beside fields, returns it from `refused`.
    """
    htmx = partial is not None and is_htmx(request)
    try:
        message = act()
    except Refused as error:
        if refused and (response := refused(error)):
            return response
        if htmx:
            return text_response(str(error), 409)
        messages.error(request, str(error))
        return retry() if retry else redirect(to)
    if partial and htmx:
        return partial(message)
    if message:
        messages.success(request, message)
    return redirect(to)


def text_response(message: str, status: int) -> HttpResponse:
    """Return one sentence as plain text; the page shows it beside the button."""
    response = HttpResponse(message, status=status, content_type="text/plain")
    response[errors.DESK_ANSWER] = "yes"
    return response


def render_page(
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
    *,
    title: str,
    model: type[Model] = Story,
    status: int = 200,
) -> HttpResponse:
    """Render a whole page of the desk, with what the admin's templates need."""
    page = {**admin.site.each_context(request), "title": title, "opts": model._meta}
    return render(request, template, page | context, status=status)


def render_panel(
    request: HttpRequest, panel: str, page: str, context: dict[str, Any], **more: Any
) -> HttpResponse:
    """Render the template `panel` alone for htmx, and `page` around it for others.

    `more` are the arguments of `render_page`; both use its `status`.
    """
    if is_htmx(request):
        return render(request, panel, context, status=more.get("status"))
    return render_page(request, page, context, **more)


def render_partial(
    request: HttpRequest,
    target: str,
    template: str,
    context: dict[str, Any],
    swap: str = "innerHTML",
) -> SafeString:
    """Render a template as an `<hx-partial>`, which htmx swaps into `target`."""
    html = render_to_string(template, context, request)
    return format_html(
        '<hx-partial hx-target="{}" hx-swap="{}">{}</hx-partial>',
        target,
        swap,
        SafeString(html),
    )


def replace_response(
    request: HttpRequest, target: str, template: str, context: dict[str, Any]
) -> HttpResponse:
    """Answer htmx with a template that replaces the element `target`."""
    html = render_partial(request, target, template, context, "outerHTML")
    return HttpResponse(html)


def trigger(response: HttpResponse, event: str, **detail: object) -> HttpResponse:
    """Let htmx fire an event in the page, for the desk's scripts."""
    response["HX-Trigger"] = json.dumps({event: detail})
    return response
