import django.contrib.postgres.search
import django.db.models.deletion
from django.db import migrations, models

from entries.database import full_text

SQLITE = (
    "DROP TRIGGER entries_fts_added",
    "DROP TRIGGER entries_fts_taken",
    "DROP TRIGGER entries_fts_changed",
    "DROP TABLE entries_fts",
    full_text.CREATE_FTS5,
    """CREATE TRIGGER entries_fts_deleted AFTER DELETE ON entries_searchtext BEGIN
        DELETE FROM entries_fts WHERE rowid = old.id;
    END""",
)


def drop_old_index(apps, editor):
    """Drop the generated column of migration 0003."""
    if editor.connection.vendor == "postgresql":
        editor.execute("ALTER TABLE entries_searchtext DROP COLUMN vector")


def make_index(apps, editor):
    if editor.connection.vendor == "sqlite":
        for statement in SQLITE:
            editor.execute(statement)
    else:
        editor.execute(
            "CREATE INDEX entries_searchtext_vector"
            " ON entries_searchtext USING gin (vector)"
        )


class Migration(migrations.Migration):
    dependencies = [("entries", "0021_languages")]

    operations = [
        *(
            migrations.AddField(
                model_name=name,
                name="folded",
                field=models.TextField(editable=False, null=True),
            )
            for name in ("image", "link", "series", "snippet", "story")
        ),
        migrations.AddIndex(
            model_name="story",
            index=models.Index(fields=["language"], name="story_language"),
        ),
        migrations.RunPython(drop_old_index),
        migrations.AddField(
            model_name="searchtext",
            name="folded",
            field=models.TextField(null=True),
        ),
        migrations.AddField(
            model_name="searchtext",
            name="vector",
            field=django.contrib.postgres.search.SearchVectorField(null=True),
        ),
        migrations.CreateModel(
            name="FullText",
            fields=[
                (
                    "text",
                    models.OneToOneField(
                        db_column="rowid",
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="tokens",
                        serialize=False,
                        to="entries.searchtext",
                    ),
                ),
                ("headline", models.TextField()),
                ("body", models.TextField()),
                ("table", models.TextField(db_column="entries_fts", null=True)),
            ],
            options={
                "db_table": "entries_fts",
                "managed": False,
                "default_permissions": (),
            },
        ),
        migrations.RunPython(make_index),
    ]
