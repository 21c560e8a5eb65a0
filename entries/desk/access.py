"""Who is let in to the desk, and how it answers those who are not."""

from collections.abc import Callable
from functools import wraps
from itertools import chain
from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.views.decorators.cache import never_cache

from entries.models import Story
from entries.public import errors
from entries.verbs import NOT_ALLOWED

SIGNED_OUT = "You are signed out. Sign in in another tab, then press the button again."

_LOOKED_UP = ("q", "picture", "key", "target")

View = Callable[..., HttpResponseBase]


def desk_view(*permissions: str) -> Callable[[View], View]:
    """Let a view answer staff who have all of these permissions.

    htmx gets 401 or 403 with a sentence, so that nothing is swapped into the page;
    others get the sign-in page, or Django's own refusal.
    """

    def decorate(view: View) -> View:
        @never_cache
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            user = request.user
            if not (user.is_active and user.is_staff):
                return _signed_out(request)
            try:
                _check(user, permissions)
                _check_sent(request)
                response = view(request, *args, **kwargs)
            except PermissionDenied:
                if not is_htmx(request):
                    raise
                return text_response(NOT_ALLOWED, 403)
            response[errors.DESK_ANSWER] = "yes"
            return response

        return answer

    return decorate


def _check(user: User, permissions: tuple[str, ...]) -> None:
    if not user.has_perms([f"entries.{name}" for name in permissions]):
        raise PermissionDenied


def _check_sent(request: HttpRequest) -> None:
    """Raise SuspiciousOperation, which answers 400, for what no database looks up.

    Texts are tidied instead, by the verbs.
    """
    looked_up = [*chain(*(values for _, values in request.GET.lists()))]
    looked_up += [request.POST.get(name, "") for name in _LOOKED_UP]
    if any("\0" in value for value in looked_up):
        raise SuspiciousOperation("A null character was sent")


def _signed_out(request: HttpRequest) -> HttpResponseBase:
    if is_htmx(request):
        return text_response(SIGNED_OUT, 401)
    return redirect_to_login(request.get_full_path(), reverse("admin:login"))


def is_htmx(request: HttpRequest) -> bool:
    """Whether htmx asks, which wants parts of a page."""
    return bool(request.htmx)  # type: ignore[attr-defined]


def text_response(message: str, status: int) -> HttpResponse:
    """Answer one sentence, which the page shows beside what was pressed."""
    response = HttpResponse(message, status=status, content_type="text/plain")
    response[errors.DESK_ANSWER] = "yes"
    return response


def int_or_zero(text: str) -> int:
    """Return the id or the version that a form names; 0 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def desk_url(story: Story | int, name: str = "change", *args: int) -> str:
    """Return an address of a story's desk."""
    pk = story if isinstance(story, int) else story.pk
    return reverse(f"admin:entries_story_{name}", args=[pk, *args])
