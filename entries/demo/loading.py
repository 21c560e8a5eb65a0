"""Create the demo's accounts, and load its stories through the verbs of the desk."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Group, User
from django.db.models import F, Subquery
from django.utils import timezone

from entries import verbs
from entries.models import Entry, Image, Posting, Series, Snippet, Story
from entries.verbs import EntryText

HERE = Path(__file__).parent
ACCOUNTS = {
    "chief": None,
    "editor": "Editors",
    "editor2": "Editors",
    "moderator": "Moderators",
}


def read_demo_file(name: str) -> Any:
    """Parse one of the demo's JSON files."""
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def create_accounts(passwords: dict[str, str]) -> None:
    """Create the demo's accounts; `passwords` are by username."""
    for name, group in ACCOUNTS.items():
        user = User.objects.create_user(name, password=passwords[name], is_staff=True)
        if group is None:
            user.is_superuser = True
            user.save()
        else:
            user.groups.add(Group.objects.get_or_create(name=group)[0])


def load_stories() -> None:
    """Load all sample stories, with times relative to now."""
    Loader(read_demo_file("stories.json"), timezone.now()).load()


class Loader:
    """Create the rows of sample stories, whose times are ages in minutes at `now`."""

    def __init__(self, data: dict[str, Any], now: datetime) -> None:
        self.data = data
        self.now = now
        self.stories: dict[str, Story] = {}  # by slug
        self.to_connect: list[tuple[Entry, dict[str, Any]]] = []
        self.author = User.objects.filter(username="editor").first()

    def load(self) -> None:
        """Create all rows, with references between stories last."""
        self.series = {
            row["slug"]: Series.objects.create(**row) for row in self.data["series"]
        }
        for order, row in enumerate(self.data["snippets"]):
            Snippet.objects.create(**row, order=order)
        for row in self.data["pictures"]:
            self._image(row)
        rows = sorted(
            self.data["stories"], key=lambda row: -row["original"]["minutes_ago"]
        )
        for row in rows:
            self._story(row)
        for entry, row in self.to_connect:
            self._connect(entry, row)
        for row in rows:
            self._finish(row)
        # Moderators' pages list entries by their time of publication.
        published = Entry.objects.exclude(published_at=None).exclude(at=None)
        published.update(published_at=F("at"))
        self._date_postings()

    def _date_postings(self) -> None:
        """Date what feeds show, which was all published at this moment."""
        found = list(Posting.objects.visible().select_related("entry", "story"))
        for posting in found:
            corrections = posting.entry.versions.public_corrections()
            dates = [one.changed_at for one in corrections]
            begun = posting.entry.at or posting.story.live_at or self.now
            posting.public_at = max([begun, *dates])
        Posting.objects.bulk_update(found, ["public_at"])
        newest = Posting.objects.visible().newest_time_in("pk", "public_at")
        Story.objects.update(newest_public_at=Subquery(newest))

    def _at(self, minutes_ago: int) -> datetime:
        return self.now - timedelta(minutes=minutes_ago)

    def _image(self, row: dict[str, str]) -> None:
        with (HERE / "pictures" / row["file"]).open("rb") as file:
            ingested = verbs.ingest_upload(file)
        texts: dict[str, Any] = {n: row[n] for n in ("alt", "caption", "credit")}
        verbs.add_image(row["name"], ingested, **texts)

    def _story(self, row: dict[str, Any]) -> None:
        story = verbs.create_story(
            row["headline"],
            slug=row["slug"],
            series=self.series[row["series"]],
            standfirst=row["standfirst"],
            summary=row["summary"],
            language=row["language"],
            lead_image=Image.objects.filter(name=row["lead_image"]).first(),
        )
        self.stories[row["slug"]] = story
        original = row["original"]
        verbs.post(
            story,
            EntryText(
                original["body"], original["headline"], byline=original["byline"]
            ),
            kind=Entry.Kind.ORIGINAL,
            author=self.author,
        )
        for update in sorted(row["updates"], key=lambda one: -one["minutes_ago"]):
            self._update(story, update)
        if row["state"] != "draft":
            verbs.go_live(story, self._at(original["minutes_ago"]))

    def _update(self, story: Story, row: dict[str, Any]) -> None:
        at = self._at(row["minutes_ago"])
        correction = row["correction"]
        body = correction["earlier_body"] if correction else row["body"]
        withdrawn = row["state"] == "withdrawn"
        entry = verbs.post(
            story,
            EntryText(body, row["headline"], at, row["byline"]),
            author=self.author,
            state="published" if withdrawn else row["state"],
            pinned=row["pinned"],
            key_event=row["key_event"],
        )
        if correction:
            verbs.edit(
                entry,
                EntryText(row["body"], row["headline"], at, row["byline"]),
                version=entry.version,
                author=self.author,
                correction=correction["line"],
                changed_at=at + timedelta(minutes=correction["minutes_later"]),
            )
        if withdrawn:
            verbs.withdraw(entry)
        self.to_connect.append((entry, row))

    def _connect(self, entry: Entry, row: dict[str, Any]) -> None:
        for see in row["see"]:
            verbs.add_link("see", entry=entry, **self._target(see))
        for slug in row["cross_post_to"]:
            verbs.cross_post(entry, self.stories[slug])
        if "note" in row:
            verbs.add_note(entry.story, row["note"], entry=entry, author=self.author)

    def _target(self, target: str | dict[str, str]) -> dict[str, Any]:
        if isinstance(target, dict):
            return {"title": target["title"], "target_url": target["url"]}
        if target in self.series:
            return {"target_series": self.series[target]}
        return {"target_story": self.stories[target]}

    def _finish(self, row: dict[str, Any]) -> None:
        story = self.stories[row["slug"]]
        for order, link in enumerate(row["links"]):
            fields = self._target(link["target"])
            if link.get("title"):
                fields["title"] = link["title"]
            verbs.add_link(
                link["kind"],
                story=story,
                label=link.get("label", ""),
                order=order,
                **fields,
            )
        if row["state"] == "closed":
            ended = self._at(row["closed_minutes_ago"])
            follower = self.stories.get(row["continues_in"] or "")
            verbs.close_story(story, follower, ended)


def site_is_empty() -> bool:
    """Return whether the site has neither accounts nor stories yet."""
    return not (User.objects.exists() or Story.objects.exists())
