"""Let the admin's log keep none of the words of texts and links.

Earlier releases named an entry by how its text began, and a link by its title; both
outlived an erased text there.
"""

import re

from django.db import migrations

QUOTED = re.compile("“.*”", re.S)
AFTER = re.compile(r"\A(Corrected|Linked|Removed|Sent back|Changed): (?!link \().*", re.S)
BATCH = 1000  # rows


def take_words_out(apps, schema_editor):
    LogEntry = apps.get_model("admin", "LogEntry")
    ContentType = apps.get_model("contenttypes", "ContentType")
    kinds = {
        kind.pk: kind.model for kind in ContentType.objects.filter(app_label="entries")
    }
    changed = []
    lines = LogEntry.objects.filter(content_type__in=kinds)
    for line in lines.iterator(chunk_size=BATCH):
        before = (line.object_repr, line.change_message)
        line.object_repr = named(kinds[line.content_type_id], line)
        line.change_message = without_words(line.change_message)
        if before != (line.object_repr, line.change_message):
            changed.append(line)
    LogEntry.objects.bulk_update(
        changed, ["object_repr", "change_message"], batch_size=BATCH
    )


def named(kind, line):
    """Return what a row is called in the log: never by words of a text."""
    ours = re.fullmatch(r"(ORIGINAL ENTRY|UPDATE[ \w]*) in [\w-]+", line.object_repr)
    if kind == "entry" and not ours:
        return f"Entry {line.object_id}"
    return f"Link {line.object_id}" if kind == "link" else line.object_repr


def without_words(message):
    """Return a message of ours without what it repeated; Django's own names fields."""
    if message.startswith("["):
        return message
    return QUOTED.sub("“…”", AFTER.sub(r"\1.", message))


class Migration(migrations.Migration):

    dependencies = [
        ("entries", "0008_story_key"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.RunPython(take_words_out, migrations.RunPython.noop),
    ]
