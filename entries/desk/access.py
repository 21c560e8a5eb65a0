"""Access to desk views: the `desk_view` decorator, and helpers for their arguments."""

from collections.abc import Callable
from functools import wraps
from itertools import chain
from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache

from entries.desk import gone
from entries.desk.responses import is_htmx, text_response
from entries.models import Profile, Story
from entries.public import errors
from entries.verbs import NOT_ALLOWED, Permissions

SIGNED_OUT = _(
    "You are signed out. Sign in in another tab, then press the button again."
)
# Set by the scripts: a text must not be published under the name of somebody else who
# has signed in since its page was opened.
OTHER_USER = _(
    "You’re signed in as {} now, and somebody else opened this page. Copy your text, "
    "then load the page again."
)
STILL_HERE = _("Your text is still here.")
_LOOKUP_FIELDS = ("q", "picture", "key", "target")

View = Callable[..., HttpResponseBase]


def desk_view(*permissions: str) -> Callable[[View], View]:
    """Restrict a view to staff with all of these permissions.

    For others, htmx gets a 401 or 403 with one sentence, so that nothing is swapped
    into the page; browsers get the sign-in page or Django's 403 page. The response to a
    form for something that is no longer there says what happened to it.
    """

    def decorate(view: View) -> View:
        @never_cache
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            user = request.user
            if not (user.is_active and user.is_staff):
                return _signed_out(request)
            opened_by = request.headers.get("Desk-User", "")
            if opened_by and opened_by != str(user.pk):
                sentence = OTHER_USER.format(user.get_username())
                return text_response(sentence, 409)
            try:
                _check_permissions(user, permissions)
                _check_input(request)
                response = view(request, *args, **kwargs)
            except PermissionDenied:
                if not is_htmx(request):
                    raise
                return text_response(str(NOT_ALLOWED), 403)
            except Http404:
                if request.method != "POST":
                    raise
                return _nothing_there(request, kwargs)
            response[errors.DESK_ANSWER] = "yes"
            return response

        return guarded

    return decorate


def _nothing_there(request: HttpRequest, where: dict[str, Any]) -> HttpResponse:
    """Explain what happened to the target of a form, whose text is not lost."""
    permissions = Permissions.of(request.user)
    sentence, status = gone.explain(permissions, where)
    if is_htmx(request):
        return text_response(f"{sentence} {STILL_HERE}", status)
    starts_anew = "body" in request.POST and permissions.has("add_story")
    story = where.get("pk")
    if starts_anew and story and not Story.objects.filter(pk=story).exists():
        to = reverse("admin:entries_story_add")
        return errors.gone_response(
            request, sentence, status, to=to, names={"body": "original"}
        )
    return errors.gone_response(request, sentence, status)


def _check_permissions(user: User, permissions: tuple[str, ...]) -> None:
    if not user.has_perms([f"entries.{name}" for name in permissions]):
        raise PermissionDenied


def _check_input(request: HttpRequest) -> None:
    """Respond 400 to null characters in values that are used in database queries.

    PostgreSQL rejects them. Texts may contain them, since the verbs remove them.
    """
    looked_up = [*chain(*(values for _, values in request.GET.lists()))]
    looked_up += [request.POST.get(name, "") for name in _LOOKUP_FIELDS]
    if any("\0" in value for value in looked_up):
        raise SuspiciousOperation("A null character was sent")


def _signed_out(request: HttpRequest) -> HttpResponseBase:
    if is_htmx(request):
        return text_response(str(SIGNED_OUT), 401)
    return redirect_to_login(request.get_full_path(), reverse("admin:login"))


def int_or_zero(text: str) -> int:
    """Parse an id or a version from a form; return 0 if it is not a valid number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def get_story(pk: int) -> Story:
    """Return a story with its series, or raise Http404."""
    return get_object_or_404(Story.objects.select_related("series"), pk=pk)


def desk_url(story: Story | int, name: str = "change", *args: int) -> str:
    """Return the URL of a story's desk, or of one of its other views by name."""
    pk = story if isinstance(story, int) else story.pk
    return reverse(f"admin:entries_story_{name}", args=[pk, *args])


def display_name(user: User | None) -> str:
    """Return a user's full name or else their username; empty for None."""
    return (user.get_full_name() or user.get_username()) if user else ""


def usual_byline(user: User) -> str:
    """Return the byline that an account's new texts begin with; often none."""
    profile: Profile | None = getattr(user, "profile", None)
    return profile.byline if profile else ""
