"""The root URLs: the newsroom under /admin/; all others are public."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from entries.desk import account, board, links, moderators, people
from liveblog import accounts

urlpatterns = [
    path("admin/", board.newsroom, name="newsroom"),
    path("admin/lists/", admin.site.admin_view(admin.site.index), name="lists"),
    path("admin/moderate/", moderators.moderate, name="moderate"),
    path("admin/moderate/features/", links.site_links, name="feature"),
    path("admin/moderate/links/<row:pk>/", moderators.resolve_link, name="resolve"),
    path("admin/account/", account.account, name="account"),
    path("admin/people/", people.people, name="people"),
    path("admin/people/add/", people.add_person, name="person_add"),
    path("admin/people/<row:pk>/", people.edit_person, name="person"),
    path("admin/", include(accounts.account_urls(mail=bool(settings.EMAIL_HOST)))),
    path("admin/", admin.site.urls),
    path("", include("entries.public.urls")),
]
handler400 = "entries.public.errors.bad_request"
handler403 = "entries.public.errors.forbidden"
handler404 = "entries.public.errors.not_found"
handler500 = "entries.public.errors.server_error"
