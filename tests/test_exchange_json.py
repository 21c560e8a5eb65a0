"""Stories as JSON: lossless between sites, and without secrets for readers."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from entries import verbs
from entries.exchange import ExchangeError
from entries.exchange.json import read_json
from entries.models import (
    Entry,
    EntryVersion,
    Image,
    ImportedFile,
    Link,
    Site,
    Story,
    StorySlug,
)
from entries.pages.story_data import story_data
from entries.verbs import EntryText
from tests.builders import (
    gmt,
    make_original,
    make_series,
    make_story,
    make_update,
    make_user,
)
from tests.test_import_story import Ran, picture

pytestmark = pytest.mark.django_db
SECRETS = ["draft", "submitted", "scheduled", "withdrawn", "feature"]


def take_picture(name: str, folder: Path, **words: Any) -> Image:
    with picture(folder / f"{name}.jpg").open("rb") as file:
        return verbs.add_image(name, verbs.ingest_upload(file), **words)


def full_story(folder: Path) -> Story:
    """Return a live story in which everything occurs that a story can have."""
    author = make_user("editor")
    other = make_story("Lamps Lit", series="Harbour Wire", slug="lamps-lit")
    lead = take_picture(
        "quay-lead", folder, alt="The quay", caption="Quay", credit="Us"
    )
    take_picture("quay-1", folder, alt="The ferry")
    Image.objects.filter(name="quay-1").update(focal_x=20, focal_y=70)
    Image.objects.create(name="quay-missing")
    story = make_story(
        "Fog Over Saltgate",
        live=False,
        slug="fog-first",
        series="Sorrava Daily",
        standfirst="It is *foggy*.",
        summary="**Known**: little.\n\n![](image:quay-missing)",
        language="de",
        lead_image=lead,
        continues_in=other,
    )
    make_original(story, "How it began.\n\n## The lamps\n\n[Words](https://a.example)")
    first = make_update(
        story,
        "Two ferries wait.\n\n![](image:quay-1)\n\nSee Lamps Lit",
        at="0900",
        headline="Waiting",
        author=author,
        pinned=True,
        key_event=True,
    )
    verbs.add_link("see", entry=first, title="Lamps Lit", target_story=other)
    verbs.add_link("see", entry=first, title="Fog", target_url="https://b.example/c")
    verbs.edit(
        first,
        EntryText(
            "One ferry waits.\n\nSee Lamps Lit", "Waiting", gmt("0905"), "Ann Doss"
        ),
        version=1,
        author=author,
        correction="One ferry, not two.",
        changed_at=gmt("0906"),
    )
    verbs.edit(
        first,
        EntryText(
            "One ferry waits.\n\n![](image:quay-1)\n\nSee Lamps Lit", at=gmt("0905")
        ),
        version=2,
    )
    make_update(story, "Equal minute.", at="0905")
    make_update(story, "SECRET draft ![](image:quay-1)", at=None, state="draft")
    make_update(story, "SECRET submitted", at="1000", state="submitted")
    later = timezone.now() + timedelta(days=9)
    make_update(story, "SECRET scheduled", at=later, state="scheduled")
    verbs.withdraw(make_update(story, "SECRET withdrawn", at="1100"))
    make_update(story, "![](image:quay-missing)\n\nThe picture will come.", at="1200")
    verbs.go_live(story, gmt("0800"))
    verbs.edit_story(story, slug="fog")
    story.refresh_from_db()
    posting = verbs.cross_post(first, other)
    verbs.set_marks(posting, key_event=True)
    foreign = make_update(other, "The lamps burn.", at="0930")
    verbs.set_marks(verbs.cross_post(foreign, story), pinned=True)
    verbs.add_link("latest", story=story, title="Votes Counted", order=2)
    verbs.add_link("latest", story=story, target_story=other, order=1)
    verbs.add_link("feature", story=story, title="Why", label="TUESDAY FEATURE")
    verbs.add_link(
        "feature",
        story=story,
        title="SECRET feature",
        image=lead,
        starts_at=later,
        ends_at=later + timedelta(hours=2),
    )
    verbs.add_link(
        "previous", story=story, target_series=make_series("Harbour Wire"), order=3
    )
    verbs.close_story(story, other, gmt("2200"))
    return Story.objects.get(pk=story.pk)


def exported(slug: str, folder: Path, name: str = "out.json") -> Path:
    """Export a story, its pictures beside it; return the file."""
    Ran("export_story", slug, "--output", folder / name)
    return folder / name


def contents(path: Path) -> Any:
    """Return an export without what differs between two sites."""
    data = json.loads(path.read_text(encoding="utf-8"))
    for entry in data["entries"]:
        del entry["id"]
    return data


def forget(story: Story) -> None:
    """Delete a story and its pictures, as on another site."""
    story.delete()
    Image.objects.all().delete()


# --- Without loss


def test_a_story_is_restored_from_its_json(tmp_path: Path):
    forget_me = full_story(tmp_path / "in")
    path = exported("fog", tmp_path)
    before = contents(path)
    forget(forget_me)
    ran = Ran("import_story", path, "--publish", "--images", tmp_path / "out-pictures")
    assert contents(exported("fog", tmp_path, "again.json")) == before
    assert "line" not in ran.err
    assert Image.objects.get(name="quay-1").focal_point == (20, 70)
    assert StorySlug.objects.get(slug="fog-first").story.slug == "fog"


def test_pages_are_restored_from_json(tmp_path: Path):
    story = full_story(tmp_path / "in")
    path = exported("fog", tmp_path)
    before = {e.body: e.html for e in story.entries.all() if "image" not in e.body}
    forget(story)
    Ran("import_story", path, "--publish", "--images", tmp_path / "out-pictures")
    story = Story.objects.get(slug="fog")
    after = {e.body: e.html for e in story.entries.all() if "image" not in e.body}
    assert after == before
    corrected = story.entries.get(headline="", at=gmt("0905"), version=3)
    html = corrected.postings.get(story=story).html
    assert "One ferry, not two" in html
    assert "<figure" in html


def test_ids_keep_the_order_of_equal_minutes(tmp_path: Path):
    story = full_story(tmp_path / "in")
    shown = [p.entry.body for p in story.postings.visible().updates()]
    path = exported("fog", tmp_path)
    forget(story)
    Ran("import_story", path, "--publish")
    story = Story.objects.get(slug="fog")
    assert [p.entry.body for p in story.postings.visible().updates()] == shown


def test_importing_a_story_beside_itself_gives_a_new_slug_and_no_duplicates(
    tmp_path: Path,
):
    full_story(tmp_path / "in")
    other = Story.objects.get(slug="lamps-lit")
    standing = other.postings.filter(removed=False).count()
    path = exported("fog", tmp_path)
    Ran("import_story", path, "--publish")
    assert Story.objects.latest("pk").slug == "fog-2"
    assert other.postings.filter(removed=False).count() == standing
    data, copy = contents(path), contents(exported("fog-2", tmp_path, "two.json"))
    for each in (data, copy):
        del each["story"]["slug"], each["story"]["old_slugs"]
        for entry in each["entries"]:
            del entry["posted_in"]
    assert copy == data


def test_everything_an_import_changed_is_dated_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    full_story(tmp_path / "in")
    path = exported("fog", tmp_path)
    make_story("A bystander")
    before = dict(Story.objects.values_list("pk", "seq"))
    ended, create = [], ImportedFile.objects.create

    def create_late(**fields: Any) -> ImportedFile:
        ended.append(timezone.now())
        return create(**fields)

    monkeypatch.setattr(ImportedFile.objects, "create", create_late)
    Ran("import_story", path, "--publish", "--again", "--slug", "fog-2")
    changed = set(Story.objects.filter(changed_at__gt=ended[0]))
    known = Story.objects.filter(pk__in=before)
    assert changed == {s for s in known if s.seq != before[s.pk]}
    assert {story.slug for story in changed} == {"fog", "lamps-lit"}
    assert Site.current().changed_at > ended[0]  # also for the imported story's page


def test_without_publish_it_is_a_draft(tmp_path: Path):
    story = full_story(tmp_path / "in")
    path = exported("fog", tmp_path)
    forget(story)
    Ran("import_story", path)
    assert Story.objects.get(slug="fog").state == "draft"


def test_a_cross_post_of_an_unknown_story_becomes_an_attributed_copy(
    tmp_path: Path,
):
    story = full_story(tmp_path / "in")
    path = exported("fog", tmp_path)
    forget(story)
    Story.objects.all().delete()
    ran = Ran("import_story", path, "--publish")
    copy = Entry.objects.get(body__contains="The lamps burn.")
    assert copy.body.endswith("(Cross-posted from Harbour Wire)")
    assert copy.links.get().kind == "cross-posted"
    assert "is a copy here" in ran.err


def test_a_cross_post_whose_story_is_only_announced_becomes_a_copy(tmp_path: Path):
    story = full_story(tmp_path / "in")
    path = exported("fog", tmp_path)
    forget(story)
    begins = timezone.now() + timedelta(days=1)
    Story.objects.update(state="announced", begins_at=begins)
    ran = Ran("import_story", path, "--publish")
    assert Entry.objects.filter(body__contains="The lamps burn.").count() == 2
    assert "is a copy here" in ran.err


def test_links_to_unknown_stories_keep_their_title(tmp_path: Path):
    story = full_story(tmp_path / "in")
    path = exported("fog", tmp_path)
    forget(story)
    Story.objects.all().delete()
    Ran("import_story", path, "--publish")
    latest = Link.objects.get(kind="latest", order=1)
    assert latest.unresolved
    assert latest.title == "Harbour Wire: Lamps Lit"


def test_a_draft_story_stays_a_draft_and_keeps_waiting_texts(tmp_path: Path):
    story = make_story("Plans", live=False)
    make_update(story, "Later.", at=None, state="draft")
    path = exported("plans", tmp_path)
    before = contents(path)
    forget(story)
    Ran("import_story", path)
    assert contents(exported("plans", tmp_path, "again.json")) == before


def test_images_with_another_name_here_are_renamed_in_every_text(tmp_path: Path):
    story = full_story(tmp_path / "in")
    path = exported("fog", tmp_path)
    forget(story)
    take_picture("quay-1", tmp_path / "else", alt="Something else", caption="x")
    picture(tmp_path / "out-pictures" / "quay-1.jpg", "green")
    Ran("import_story", path, "--publish", "--images", tmp_path / "out-pictures")
    bodies = Entry.objects.filter(story__slug="fog").values_list("body", flat=True)
    assert not any("image:quay-1)" in body for body in bodies)
    assert any("image:quay-1-2)" in body for body in bodies)
    versions = EntryVersion.objects.values_list("body", flat=True)
    assert any("image:quay-1-2)" in body for body in versions)


def test_a_json_file_is_recognized_as_imported(tmp_path: Path):
    make_story("Plans")
    path = exported("plans", tmp_path)
    Ran("import_story", path)
    with pytest.raises(CommandError) as caught:
        Ran("import_story", path)
    assert caught.value.returncode == 3


def test_a_dry_run_reports_on_json_as_on_text(tmp_path: Path):
    full_story(tmp_path / "in")
    path = exported("fog", tmp_path)
    count = Story.objects.count()
    data = Ran("import_story", path, "--dry-run", "--json").data
    assert data["photo"] == "Quay"
    assert data["latest"] == ["Harbour Wire: Lamps Lit", "Votes Counted"]
    assert data["sections"][0]["heading"] == "The lamps"
    assert Story.objects.count() == count


# --- What is wrong in a file


def a_file() -> dict[str, Any]:
    return {
        "format": "liveblog-story",
        "version": 1,
        "story": {"slug": "fog", "headline": "Fog", "state": "live"},
        "entries": [
            {"kind": "update", "state": "published", "at": "2026-03-14T18:00+00:00",
             "body": "Fog."}
        ],
    }  # fmt: skip


def test_a_minimal_json_file_is_imported(tmp_path: Path):
    path = tmp_path / "fog.json"
    path.write_text(json.dumps(a_file()))
    Ran("import_story", path, "--publish")
    assert Story.objects.get(slug="fog").entries.get().body == "Fog."


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(format="other"), "not a story"),
        (lambda d: d.update(version=2), "version 2"),
        (lambda d: d.pop("story"), "story"),
        (lambda d: d["story"].update(headline=""), "headline"),
        (lambda d: d["story"].update(headline="x" * 201), "200"),
        (lambda d: d["story"].update(state="gone"), "one of draft"),
        (lambda d: d["story"].update(first_day="14 March"), "first_day"),
        (lambda d: d["story"].update(live_at="2026-03-14T18:00"), "offset"),
        (lambda d: d.update(entries={}) or d.update(entries=[1]), r"entries\[0\]"),
        (lambda d: d["entries"][0].update(kind="note"), "kind"),
        (lambda d: d["entries"][0].update(at=None), "at"),
        (lambda d: d["entries"][0].update(body=7), "body"),
        (lambda d: d["entries"][0].update(body="x" * 20_001), "20,000"),
        (lambda d: d["entries"][0].update(pinned="yes"), "pinned"),
        (lambda d: d["entries"][0].update(version=-1), "version"),
        (lambda d: d["entries"][0].update(versions=[{"number": 1}]), "changed_at"),
        (lambda d: d["entries"][0].update(links=[{"kind": "see", "url": "x",
                                                  "story": "y"}]), "target"),
        (lambda d: d.update(entries=[{**d["entries"][0], "kind": "original"}] * 2),
         "one original"),
        (lambda d: d.update(pictures=[{}]), "name"),
    ],
)  # fmt: skip
def test_an_invalid_file_is_refused_with_the_position_of_the_error(
    tmp_path: Path, change: Any, words: str
):
    data = a_file()
    change(data)
    path = tmp_path / "fog.json"
    path.write_text(json.dumps(data))
    with pytest.raises(CommandError, match=words):
        Ran("import_story", path, "--publish")
    assert not Story.objects.exists()


def test_damaged_json_is_not_read_as_text(tmp_path: Path):
    path = tmp_path / "fog.json"
    path.write_text(json.dumps(a_file())[:-9])
    with pytest.raises(CommandError, match="damaged"):
        Ran("import_story", path)


def test_a_text_may_begin_with_a_brace(tmp_path: Path):
    path = tmp_path / "fog.txt"
    path.write_text("{sic}\n\nUPDATE 1800 GMT: Fog.")
    Ran("import_story", path)
    assert Entry.objects.filter(body="Fog.").exists()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.just("draft"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["slug", "headline", "state", "kind", "at", "body", "links", "versions"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=9,
)


@given(
    st.dictionaries(
        st.sampled_from(["story", "entries", "links", "pictures"]), values, max_size=4
    )
)
@hypothesis_settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_json_of_our_format_is_read_or_refused_with_a_message(data: Any):
    content = json.dumps(data | {"format": "liveblog-story", "version": 1}).encode()
    try:
        read_json(content)
    except ExchangeError as error:
        message = str(error)
    else:
        message = "."
    assert message.endswith(".")


# --- What readers get


def test_public_data_has_only_what_is_published(tmp_path: Path):
    story = full_story(tmp_path / "in")
    data = json.dumps(story_data(story), ensure_ascii=False)
    for word in SECRETS:
        assert f"SECRET {word}" not in data
    for name in ("Two ferries", "quay-missing", '"editor"', "author", "versions"):
        assert name not in data
    assert "One ferry, not two" in data
    assert "The lamps burn." in data


def test_public_data_has_urls(tmp_path: Path):
    story = full_story(tmp_path / "in")
    data = story_data(story)
    assert data["story"]["url"] == f"{settings.SITE_URL}/stories/fog/"
    update = data["entries"][1]
    assert update["url"].endswith(f"/stories/fog/updates/{update['id']}/")
    assert data["pictures"][0]["url"].endswith(".jpg")
    foreign = next(e for e in data["entries"] if e["cross_posted_from"])
    assert foreign["cross_posted_from"] == {
        "story": "lamps-lit",
        "name": "Harbour Wire",
    }


def test_public_data_does_not_mention_stories_that_are_not_public(tmp_path: Path):
    story = full_story(tmp_path / "in")
    hidden = make_story("Hidden plans", live=False)
    verbs.add_link("see", story=story, target_story=hidden)
    verbs.add_link("see", story=story, target_story=hidden, title="Known title")
    plan = take_picture("hidden-pier", tmp_path, alt="The hidden pier")
    verbs.add_link("feature", story=story, target_story=hidden, image=plan)
    verbs.edit_story(story, continues_in=hidden)
    verbs.withdraw_story(Story.objects.get(slug="lamps-lit"))
    data = json.dumps(story_data(Story.objects.get(pk=story.pk)))
    assert "Known title" in data
    assert "idden" not in data
    assert "lamps-lit" not in data


def test_a_story_that_is_not_public_has_no_public_data():
    with pytest.raises(ValueError, match="not public"):
        story_data(make_story(live=False))


def test_public_data_can_be_imported(tmp_path: Path):
    story = full_story(tmp_path / "in")
    path = tmp_path / "public.json"
    path.write_text(json.dumps(story_data(story)), encoding="utf-8")
    forget(story)
    Ran("import_story", path, "--publish")
    assert Story.objects.get(slug="fog").postings.visible().count() == 5


@pytest.mark.parametrize("number", [1, 3])
def test_public_data_takes_a_fixed_number_of_queries(
    number: int, django_assert_max_num_queries: Any
):
    story = make_story(series="Sorrava Daily")
    for _ in range(number):
        entry = make_update(story, "Fog.\n\nSee Lamps Lit")
        verbs.add_link("see", entry=entry, title="Lamps Lit")
    story = Story.objects.select_related("series").get(pk=story.pk)
    with django_assert_max_num_queries(9):
        story_data(story)
