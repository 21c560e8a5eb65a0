"""Let stories be announced, and let those without updates say so."""

from typing import Any

import django.core.validators
from django.db import migrations, models
from django.db.models.functions import Coalesce


def set_active_at(apps: Any, schema_editor: Any) -> None:
    """Take the newest update of a live story as the latest sign of coverage."""
    live = apps.get_model("entries", "Story").objects.filter(state="live")
    live.update(active_at=Coalesce("newest_at", "live_at", "created_at"))


class Migration(migrations.Migration):
    dependencies = [("entries", "0013_focal_points")]

    operations = [
        migrations.AddField(
            "series",
            "quiet_action",
            models.CharField(
                "then",
                blank=True,
                choices=[
                    ("tell", "Tell readers “No updates since …”"),
                    ("close", "Close the story"),
                ],
                help_text="Empty: the site’s setting.",
                max_length=5,
            ),
        ),
        migrations.AddField(
            "series",
            "quiet_hours",
            models.PositiveSmallIntegerField(
                "quiet after (hours)",
                blank=True,
                help_text=(
                    "A live story without updates for this long is no longer shown as "
                    "live. Empty: the site’s setting."
                ),
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
            ),
        ),
        migrations.AddField(
            "series",
            "quiet_reminder_hours",
            models.PositiveSmallIntegerField(
                "remind editors after (hours)",
                blank=True,
                help_text=(
                    "A live story without updates for this long reminds its editors. "
                    "Empty: the site’s setting. 0: no reminder."
                ),
                null=True,
            ),
        ),
        *(
            migrations.AddField(
                "story", name, models.DateTimeField(null=True, editable=False)
            )
            for name in (
                "active_at",
                "announced_at",
                "begins_at",
                "quiet_since",
                "reminded_at",
            )
        ),
        migrations.AlterField(
            "story",
            "state",
            models.CharField(
                choices=[
                    ("draft", "Draft"),
                    ("announced", "Announced"),
                    ("live", "Live"),
                    ("closed", "Closed"),
                    ("withdrawn", "Withdrawn"),
                ],
                default="draft",
                editable=False,
                max_length=10,
            ),
        ),
        migrations.RunPython(set_active_at, migrations.RunPython.noop),
    ]
