from django.db import migrations, transaction

from entries.database import full_text
from entries.text import folding, rendering, words

BATCH = 200  # texts that are read and written at once
FOLDED = {
    "image": ("name", "alt", "caption", "credit"),
    "link": ("title",),
    "series": ("name",),
    "snippet": ("name", "body"),
    "story": ("headline", "slug"),
}


def index_texts(apps, editor):
    """Index all texts anew, the newest first.

    What is done has `folded`, so an interrupted migration goes on where it stopped.
    """
    Entry, Story, SearchText = (
        apps.get_model("entries", name) for name in ("Entry", "Story", "SearchText")
    )
    done = SearchText.objects.exclude(folded=None)
    entries = Entry.objects.filter(erased_at=None).select_related("story")
    entries = entries.exclude(pk__in=done.exclude(entry=None).values("entry"))
    stories = Story.objects.select_related("series")
    stories = stories.exclude(pk__in=done.exclude(story=None).values("story"))
    for source, rows, read in (
        ("entry", entries, read_entry),
        ("story", stories, read_story),
    ):
        while found := list(rows.order_by("-pk")[:BATCH]):
            known = {
                getattr(text, f"{source}_id"): text
                for text in SearchText.objects.filter(**{f"{source}__in": found})
            }
            with transaction.atomic(editor.connection.alias):
                for row in found:
                    text = known.get(row.pk) or SearchText(**{source: row})
                    save(apps, editor, text, *read(row))


def read_entry(entry):
    texts = (entry.headline, rendering.plain_text(entry.html), entry.byline)
    folded = folding.fold("\n".join((entry.headline, entry.body, entry.byline)))
    return texts, folded, entry.story.language


def read_story(story):
    title, name = story.headline, story.series.name if story.series else ""
    if name and not title.startswith(name):
        title = f"{name}: {title}"
    html = "" if story.state == "announced" else story.summary_html
    body = "\n".join(filter(None, (story.standfirst, rendering.plain_text(html))))
    return (title, body, ""), "", story.language


def save(apps, editor, text, texts, folded, language):
    # Without the characters that once delimited matches.
    texts = tuple(
        words.compose(one).replace("\x02", "").replace("\x03", "") for one in texts
    )
    headline, body = words.index_tokens(texts, language)
    text.headline, text.body, _ = texts
    text.folded = folded
    if editor.connection.vendor == "postgresql":
        text.vector = full_text.tsvector(headline, body)
    text.save()
    if editor.connection.vendor == "sqlite":
        FullText = apps.get_model("entries", "FullText")
        FullText.objects.filter(pk=text.pk).delete()
        tokens = {
            "headline": full_text.fts5_text(headline),
            "body": full_text.fts5_text(body),
        }
        FullText.objects.bulk_create([FullText(pk=text.pk, **tokens)])


def fold_titles(apps, editor):
    """Fold the titles and names in which lists and pickers search."""
    for name, sources in FOLDED.items():
        model = apps.get_model("entries", name)
        while found := list(model.objects.filter(folded=None)[:BATCH]):
            for row in found:
                texts = (getattr(row, source) for source in sources)
                row.folded = folding.fold("\n".join(texts))
            model.objects.bulk_update(found, ["folded"])


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("entries", "0022_search_tokens")]

    operations = [
        migrations.RunPython(fold_titles),
        migrations.RunPython(index_texts),
    ]
