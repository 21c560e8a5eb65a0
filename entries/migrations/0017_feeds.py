"""Date public changes, which order feeds and become Last-Modified.

The ids in feeds get their host from the site's row, so that they stay the same when
SITE_URL changes. An existing site keeps the ids that its subscribers know.
"""

from urllib.parse import urlsplit

import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Coalesce, Greatest


def date_postings(apps, editor):
    """Date postings as feeds were ordered so far, but the corrected ones later."""
    Posting, Story, Version = (
        apps.get_model("entries", name) for name in ("Posting", "Story", "EntryVersion")
    )
    seen = Posting.objects.filter(first_seq__isnull=False)  # now or before
    corrections = Version.objects.filter(entry=OuterRef("entry"), hidden=False)
    corrections = corrections.exclude(correction="").order_by("-changed_at")
    corrected_at = Coalesce(Subquery(corrections.values("changed_at")[:1]), "at")
    seen.update(public_at=Greatest("at", corrected_at))
    visible = seen.filter(visible=True, story=OuterRef("pk"))
    newest = visible.order_by("-public_at")
    Story.objects.update(newest_public_at=Subquery(newest.values("public_at")[:1]))


def keep_ids(apps, editor):
    host = urlsplit(settings.SITE_URL).hostname or ""
    apps.get_model("entries", "Site").objects.update(feed_authority=host)


class Migration(migrations.Migration):

    dependencies = [
        ('entries', '0016_people_and_audience'),
    ]

    operations = [
        migrations.AddField(
            model_name='posting',
            name='public_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='story',
            name='newest_public_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='site',
            name='changed_at',
            field=models.DateTimeField(default=django.utils.timezone.now, editable=False),
        ),
        migrations.AddField(
            model_name='site',
            name='release',
            field=models.CharField(default='', editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name='site',
            name='feed_authority',
            field=models.CharField(default='', editable=False, max_length=255),
        ),
        migrations.RunPython(date_postings, migrations.RunPython.noop),
        migrations.RunPython(keep_ids, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name='posting',
            index=models.Index(condition=models.Q(('visible', True)), fields=['story', '-public_at', '-entry'], name='posting_in_feed'),
        ),
        migrations.AddIndex(
            model_name='posting',
            index=models.Index(condition=models.Q(('visible', True)), fields=['-public_at', '-entry'], name='posting_in_site_feed'),
        ),
        migrations.AddIndex(
            model_name='story',
            index=models.Index(fields=['series', '-newest_public_at'], name='story_in_feed'),
        ),
    ]
