"""The newsroom's snippets, offered to the composer."""

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from entries.desk import picker
from entries.desk.access import desk_view, get_story
from entries.desk.responses import is_htmx
from entries.models import Snippet
from entries.text import rendering

MAX_SNIPPETS = 200


@desk_view("view_story", "add_entry")
@require_safe
def snippets(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Return the snippets that have the words of `q`: a list for htmx, else JSON."""
    q = picker.typed_query(request)
    found = Snippet.objects.matching(q)
    texts = [
        {"name": one.name, "body": rendering.tidy(one.body).strip()}
        for one in found[:MAX_SNIPPETS]
    ]
    if is_htmx(request):
        context = {"snippets": texts, "q": q, "story": get_story(pk)}
        return render(request, "admin/entries/desk/_snippets.html", context)
    return JsonResponse({"snippets": texts})
