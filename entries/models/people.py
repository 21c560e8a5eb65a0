"""Profiles: the people of the newsroom, beside their accounts."""

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from entries.models.fields import LineField
from entries.models.images import Image


class Profile(models.Model):
    """A person of the newsroom, beside the account: byline, role and picture.

    `byline` is their usual one; entries with it are credited to them. `slug` is set
    with the first byline and stays, since pages link to it. `languages` are BCP 47
    tags, separated by commas, of the languages they work in. `desk_language` is the one
    the desk speaks to them, empty for the site's. The profile is kept if the account is
    deleted, as their bylines are.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="profile"
    )
    slug = models.SlugField(max_length=100, unique=True, null=True)
    byline = LineField(max_length=100, blank=True)
    role = LineField(max_length=100, blank=True)
    portrait = models.ForeignKey(
        Image,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="portrait_of",
        limit_choices_to=Image.STILLS,
    )
    languages = models.CharField(max_length=100, blank=True)
    desk_language = models.CharField(max_length=20, blank=True)

    class Meta:
        verbose_name = _("profile")
        verbose_name_plural = _("profiles")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["byline"],
                condition=~models.Q(byline=""),
                name="a_byline_is_of_one_person",
            )
        ]

    def __str__(self) -> str:
        return self.byline or str(self.user)

    def get_absolute_url(self) -> str:
        """Return the URL of the public page about them."""
        return reverse("author", args=[self.slug])
