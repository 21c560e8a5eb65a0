"""Responses of desk views: pages, partials for htmx, redirects and refusals.

A view fetches its rows, checks permissions, and returns `respond()` for a form that was
sent or `render_panel()` for an empty one. Every control is a link or a form first, so
each view supports browsers without JavaScript too.
"""

import json
from collections.abc import Callable
from typing import Any, Protocol

from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString

from entries.models import Story
from entries.public import errors
from entries.verbs import Refused

MAX_NEXT_LENGTH = 500


class HasUrl(Protocol):
    """An object that can be passed to `redirect()`."""

    def get_absolute_url(self) -> str: ...


def is_htmx(request: HttpRequest) -> bool:
    """Return whether htmx sent the request, and expects a partial instead of a page."""
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
    """Run an action and respond with its outcome, or with the reason it was refused.

    `act` calls the verbs, writes the audit log and returns a message for the editor
    (empty for none). htmx then gets `partial(message)`; a browser without JavaScript
    is redirected to `to`, which shows the message. So is htmx, if the form was on a
    page of its own; `next` in the form is then the page that it was opened from.

    For a refusal, htmx gets its message as plain text with status 409, which the page
    shows beside the button; other browsers get it on `retry()`, by default on `to`. To
    respond differently, such as with errors beside fields, return that from `refused`.
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
    alone = "next" in request.POST  # sent from a page of its own
    if message and (alone or not htmx):
        messages.success(request, message)
    if partial and htmx:
        response = partial(message)
        if alone:
            response["HX-Redirect"] = redirect(_next_url(request) or to).url
        return response
    return redirect(_next_url(request) or to)


def _next_url(request: HttpRequest) -> str:
    """Return the page of the newsroom that a form was opened from; empty if unknown."""
    url = (request.POST or request.GET).get("next", "")[:MAX_NEXT_LENGTH]
    own = url_has_allowed_host_and_scheme(
        url, {request.get_host()}, require_https=request.is_secure()
    )
    return url if own and url.startswith(reverse("admin:index")) else ""


def with_undo(
    request: HttpRequest, message: str, url: str, **fields: str | int
) -> SafeString:
    """Return a message with an Undo, which sends `fields` to `url`.

    In a partial it is a button, since it may be inside another form; for a message on
    the next page it is a form.
    """
    in_place = is_htmx(request) and "next" not in request.POST
    context = {"message": message, "url": url, "fields": fields, "in_place": in_place}
    context["values"] = json.dumps(fields)
    return render_to_string("admin/entries/desk/_undo.html", context, request)


def text_response(message: str, status: int) -> HttpResponse:
    """Return a message as plain text, which the page shows beside the button."""
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
    """Render a page of the desk, with the context that the admin's templates need."""
    page = {**admin.site.each_context(request), "title": title, "opts": model._meta}
    return render(request, template, page | context, status=status)


def render_panel(
    request: HttpRequest, panel: str, page: str, context: dict[str, Any], **more: Any
) -> HttpResponse:
    """Render the template `panel` for htmx, and `page`, which includes it, for others.

    `more` are the arguments of `render_page`; both use its `status`. A form in `page`
    sends `next`, so that `respond()` leads back to where the page was opened.
    """
    back = {"alone": True, "next": _next_url(request)}
    if is_htmx(request):
        known = back if "next" in request.GET else {}
        return render(request, panel, known | context, status=more.get("status"))
    return render_page(request, page, back | context, **more)


def render_partial(
    request: HttpRequest,
    target: str,
    template: str,
    context: dict[str, Any],
    swap: str = "innerHTML",
) -> SafeString:
    """Render a template as an `<hx-partial>` that htmx swaps into `target`."""
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
    """Return a rendered template with which htmx replaces the element `target`."""
    html = render_partial(request, target, template, context, "outerHTML")
    return HttpResponse(html)


def trigger(response: HttpResponse, event: str, **detail: object) -> HttpResponse:
    """Make htmx trigger an event in the page, for the desk's scripts."""
    response["HX-Trigger"] = json.dumps({event: detail})
    return response
