"""The newsroom's snippets, offered to the composer."""

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from entries.desk.access import desk_view
from entries.desk.responses import is_htmx
from entries.models import Snippet

MAX_SNIPPETS = 200


@desk_view("view_story", "add_entry")
@require_safe
def snippets(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Return the snippets: a list of options for htmx, else as JSON."""
    found = Snippet.objects.all()[:MAX_SNIPPETS]
    if is_htmx(request):
        context = {"snippets": found}
        return render(request, "admin/entries/desk/_snippets.html", context)
    return JsonResponse(
        {"snippets": [{"name": one.name, "body": one.body} for one in found]}
    )
