"""The command `import_story`, as a script or an editor runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from PIL import Image as Pillow

from entries import verbs
from entries.images import ingest
from entries.models import Entry, Image, ImportedFile, Link, Series, Story
from tests.builders import make_series, make_story, signed_in
from tests.test_exchange_reading import PAGE

pytestmark = pytest.mark.django_db


class Ran:
    """What a command printed."""

    def __init__(self, name: str, *args: object, **options: Any) -> None:
        out, err = StringIO(), StringIO()
        call_command(name, *map(str, args), stdout=out, stderr=err, **options)
        self.out, self.err = out.getvalue(), err.getvalue()

    @property
    def data(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fog-in-port-ilaria.txt"
    path.write_text(PAGE, encoding="utf-8")
    return path


def run(file: Path, *args: object) -> Ran:
    return Ran("import_story", file, *args)


def write(folder: Path, text: str, name: str = "page.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def picture(path: Path, colour: str = "navy") -> Path:
    path.parent.mkdir(exist_ok=True)
    Pillow.new("RGB", (600, 400), colour).save(path)
    return path


def stored() -> list[Path]:
    return [path for path in settings.IMAGES_DIR.rglob("*") if path.is_file()]


# --- What becomes of a file


def test_an_update_without_a_clear_time_is_a_draft_at_the_desk(tmp_path: Path):
    text = "UPDATE 1800 GMT: Third.\n\nUPDATE 2560 GMT: Second.\n\nUPDATE 0900 GMT: x"
    ran = run(write(tmp_path, text), "--publish", "--date", "2026-03-14")
    draft = Entry.objects.get(state="draft")
    assert (draft.body, f"{draft.at:%H%M}") == ("Second.", "1800")
    assert "line 3: there is no such time" in ran.err
    story = Story.objects.get()
    assert "Second." not in Client().get(story.get_absolute_url()).content.decode()
    desk = reverse("admin:entries_story_change", args=[story.pk])
    editor = signed_in("editor", "Editors")
    page = editor.get(desk).content.decode()
    row = page.partition(f'id="row-{draft.pk}"')[2].partition("</article>")[0]
    assert "Draft" in row
    notes = reverse("admin:entries_story_entry_notes", args=[story.pk, draft.pk])
    assert "“UPDATE 2560 GMT:”" in editor.get(notes).content.decode()


def test_times_of_other_zones_are_converted(tmp_path: Path):
    ran = run(write(tmp_path, "UPDATE 0030 BST: x"), "--date", "2026-06-14")
    assert Entry.objects.get().at == datetime(2026, 6, 13, 23, 30, tzinfo=UTC)
    assert "line 1: 0030 BST is converted to 2330 GMT, 13 June 2026" in ran.err


def test_a_word_with_hyphens_is_a_picture_if_the_site_has_one_of_that_name(
    tmp_path: Path,
):
    folder = tmp_path / "pictures-in"
    picture(folder / "quay-fog.jpg")
    page = "UPDATE 1800 GMT: x\n\nquay-fog\n\nstate-of-the-art"
    run(write(tmp_path, page), "--images", folder)
    run(write(tmp_path, page, "again.txt"), "--again")
    for entry in Entry.objects.all():
        assert [image.name for image in entry.images.all()] == ["quay-fog"]
        assert "\n\nstate-of-the-art" in entry.body


def test_a_page_becomes_a_draft_story(file: Path):
    ran = run(file, "--date", "2026-03-14")
    story = Story.objects.get()
    assert (story.state, story.slug) == ("draft", "fog-in-port-ilaria")
    assert story.headline == "Fog in port ilaria"
    assert f"{settings.SITE_URL}/stories/fog-in-port-ilaria/\n" in ran.out


def test_ids_ascend_from_the_oldest_entry(file: Path):
    run(file, "--date", "2026-03-14")
    entries = list(Entry.objects.order_by("pk"))
    assert [entry.kind for entry in entries] == ["original"] + ["update"] * 3
    assert [f"{entry.at:%H%M}" for entry in entries if entry.at] == [
        "0910",
        "1015",
        "1800",
    ]


def test_updates_of_one_minute_keep_their_order(tmp_path: Path):
    text = "\n\n".join(f"UPDATE 1800 GMT: {word}" for word in ("Third", "Second"))
    run(write(tmp_path, f"{text}\n\nUPDATE 1700 GMT: First"), "--publish")
    postings = Story.objects.get().postings.visible().updates()
    assert [posting.entry.body for posting in postings] == ["Third", "Second", "First"]


def test_the_published_page_shows_the_content_of_the_file(file: Path):
    run(file, "--date", "2026-03-14", "--publish", "--headline", "Fog")
    page = Client().get("/stories/fog/").content.decode()
    html = " ".join(page.partition("<body")[2].split())
    shown = [
        "UPDATE <time",
        "The ferry “Ostara” is alongside.",
        "(Cross-posted from Harbour Wire)",
        "See Sorrava Daily: Fog Closes the Strait, Ferries Wait",
        "ORIGINAL ENTRY:",
        "[The harbour] will open when we see its mouth.",
        "Market Hall Without Power</h3>",
    ]
    places = [html.index(each) for each in shown]
    assert places == sorted(places)
    assert "quay-fog" not in html


def test_prose_comes_out_as_typed(tmp_path: Path):
    prose = "# one *two* 5*3*2 snake_case <b>three</b> [four](http://five.example) 1\\2"
    run(write(tmp_path, f"UPDATE 1800 GMT: {prose}\n\n* six\n- seven"), "--publish")
    entry = Entry.objects.get()
    assert "<p># one *two* 5*3*2 snake_case &lt;b&gt;three" in entry.html
    assert "<br>- seven" in entry.html


def test_latest_and_feature_lines_become_links_of_the_story(tmp_path: Path):
    known = make_story("Lamps Lit", series="Sorrava Daily")
    text = (
        "LATEST\n\nSorrava Daily: lamps lit\n\nVotes Counted\n\nTUESDAY FEATURE\n\n"
        "Why the Lamps Went Out\n\nORIGINAL ENTRY: So."
    )
    run(write(tmp_path, text))
    story = Story.objects.latest("pk")
    links = {link.title: link for link in story.links.all()}
    assert links["Sorrava Daily: lamps lit"].target_story == known
    assert links["Votes Counted"].unresolved
    assert links["Why the Lamps Went Out"].label == "TUESDAY FEATURE"


def test_lines_in_a_text_become_links_of_the_entry(tmp_path: Path):
    known, series = make_story("Lamps Lit"), make_series("Harbour Wire")
    make_story("Lamps Drawn", live=False)
    text = (
        "UPDATE 1800 GMT: x\n\nSee Lamps Lit\n\nSee also Lamps Drawn\n\n"
        "(Cross-posted from Harbour Wire and Lamp Post)"
    )
    run(write(tmp_path, text), "--publish")
    entry = Entry.objects.get(body__startswith="x")
    links = {link.title: link for link in entry.links.all()}
    assert links["Lamps Lit"].target_story == known
    assert links["Lamps Drawn"].unresolved
    assert links["Harbour Wire"].target_series == series
    assert links["Lamp Post"].unresolved
    assert f'See <a href="{known.get_absolute_url()}">Lamps Lit</a>' in entry.html
    assert '<p class="see">See also Lamps Drawn</p>' in entry.html
    assert f'<a href="{series.get_absolute_url()}">Harbour Wire</a>' in entry.html
    assert entry.postings.get().html.count("Lamps Drawn") == 1


def test_two_stories_of_one_headline_leave_a_line_unresolved(tmp_path: Path):
    make_story("Lamps Lit")
    make_story("Lamps Lit", slug="other")
    run(write(tmp_path, "UPDATE 1800 GMT: x\n\nSee Lamps Lit"))
    assert Link.objects.get().unresolved


def test_a_series_is_found_in_any_case_or_created(tmp_path: Path):
    series = make_series("Sorrava Daily")
    run(write(tmp_path, "ORIGINAL ENTRY: a", "a.txt"), "--series", "SORRAVA DAILY")
    run(write(tmp_path, "ORIGINAL ENTRY: b", "b.txt"), "--series", "Lamp & Rope")
    assert [story.series for story in Story.objects.order_by("pk")] == [
        series,
        Series.objects.get(slug="lamp-rope"),
    ]


def test_without_a_date_the_latest_day_that_is_not_in_the_future_is_used(
    tmp_path: Path,
):
    minute = (datetime.now(UTC) + timedelta(minutes=2)).strftime("%H%M")
    ran = run(write(tmp_path, f"UPDATE {minute} GMT: x"))
    at = Entry.objects.get().at
    assert at is not None
    assert datetime.now(UTC) - timedelta(days=1) < at <= datetime.now(UTC)
    assert "Without --date" in ran.err


def test_a_future_update_is_scheduled(tmp_path: Path):
    run(write(tmp_path, "UPDATE 1800 GMT (1 April 2190): x"), "--publish")
    assert Entry.objects.get().state == "scheduled"


def test_a_published_story_began_with_its_first_update(file: Path):
    run(file, "--date", "2026-03-14", "--publish")
    story = Story.objects.get()
    assert story.live_at == datetime(2026, 3, 14, 9, 10, tzinfo=UTC)
    assert str(story.first_day) == "2026-03-14"


def test_a_replaced_headline_is_reported(tmp_path: Path):
    path = write(tmp_path, "Fog Over Saltgate\n\nORIGINAL ENTRY: So.")
    ran = run(path, "--headline", "Lamps")
    assert Story.objects.get().headline == "Lamps"
    assert "“Fog Over Saltgate”" in ran.err


# --- Pictures


def test_a_missing_picture_keeps_its_name_for_the_editor(file: Path):
    ran = run(file, "--publish")
    image = Image.objects.get(name="quay-fog-14-03-26")
    assert image.missing
    assert image.entries.get().published
    assert "quay-fog-14-03-26" in ran.out


def test_the_lead_picture_has_its_caption_before_its_file_arrives(file: Path):
    run(file)
    image = Story.objects.get().lead_image
    assert image is not None
    assert image.name == "fog-in-port-ilaria-photo"
    assert image.missing
    assert image.caption.startswith("The ferry Ostara")


def test_pictures_are_found_in_any_case_and_with_any_extension(
    tmp_path: Path, file: Path
):
    folder = tmp_path / "pictures-in"
    picture(folder / "Quay-Fog-14-03-26.JPG")
    picture(folder / "photo.png", "red")
    run(file, "--images", folder)
    assert not Image.objects.get(name="quay-fog-14-03-26").missing
    lead = Story.objects.get().lead_image
    assert lead is not None
    assert not lead.missing
    assert lead.alt == lead.caption


def test_of_two_files_for_the_lead_picture_neither_is_taken(tmp_path: Path, file: Path):
    folder = tmp_path / "pictures-in"
    for name, colour in (("photo.png", "red"), ("lead.png", "blue")):
        picture(folder / name, colour)
    run(file, "--images", folder)
    lead = Story.objects.get().lead_image
    assert lead is not None
    assert lead.missing


def test_an_entry_with_an_image_without_alt_text_becomes_a_draft(
    tmp_path: Path, file: Path
):
    folder = tmp_path / "pictures-in"
    picture(folder / "quay-fog-14-03-26.jpg")
    ran = run(file, "--images", folder, "--publish")
    entry = Entry.objects.get(body__contains="quay-fog-14-03-26")
    assert entry.state == "draft"
    assert "line 25: kept as a draft: no alt text for quay-fog-14-03-26" in ran.err
    assert Entry.objects.filter(state="published").count() == 3


def test_a_file_that_is_no_image_leaves_a_missing_image(tmp_path: Path):
    folder = tmp_path / "pictures-in"
    folder.mkdir()
    (folder / "quay-1.png").write_text("no picture")
    ran = run(
        write(tmp_path, "UPDATE 1800 GMT: x\n\nquay-1"), "--images", folder, "--publish"
    )
    assert Image.objects.get().missing
    assert "line 3: “quay-1”" in ran.err


def test_another_image_with_the_same_name_is_not_changed(tmp_path: Path):
    folder = tmp_path / "pictures-in"
    with picture(folder / "quay-1.png", "red").open("rb") as opened:
        first = verbs.add_image("quay-1", verbs.ingest_upload(opened), alt="Red")
    picture(folder / "quay-1.png", "blue")
    run(write(tmp_path, "UPDATE 1800 GMT: x\n\nquay-1"), "--images", folder)
    first.refresh_from_db()
    assert first.alt == "Red"
    assert "![](image:quay-1-2)" in Entry.objects.get().body


def test_an_existing_image_is_used(tmp_path: Path):
    with picture(tmp_path / "in" / "quay.png").open("rb") as opened:
        verbs.add_image("quay-1", verbs.ingest_upload(opened), alt="The quay")
    run(write(tmp_path, "UPDATE 1800 GMT: x\n\nquay-1"), "--publish")
    assert 'alt="The quay"' in Entry.objects.get().html


# --- All or nothing


@pytest.mark.parametrize(
    ("text", "args", "words"),
    [
        ("UPDATE 1800 GMT: x\n\nUPDATE 1700 GMT: " + "fog " * 6000, [], "line 3: this"),
        ("ORIGINAL ENTRY: x", ["--headline", "x" * 201], "headline has more than 200"),
        ("ORIGINAL ENTRY: x", ["--slug", "Not A Slug"], "small letters"),
        ("ORIGINAL ENTRY: x", ["--slug", "taken"], "Another story"),
        ("ORIGINAL ENTRY: x", ["--series", "x" * 101], "series has more than 100"),
        ("", [], "empty"),
    ],
)
def test_invalid_input_is_refused_before_anything_is_written(
    tmp_path: Path, text: str, args: list[str], words: str
):
    make_story("Taken", slug="taken")
    folder = tmp_path / "pictures-in"
    picture(folder / "quay-1.png")
    path = write(tmp_path, f"{text}\n\nquay-1\n" if text else "")
    with pytest.raises(CommandError, match=words) as caught:
        run(path, "--images", folder, *args)
    assert caught.value.returncode == 1
    assert Story.objects.count() == 1
    assert not Image.objects.exists()
    assert stored() == []


def test_a_failed_import_leaves_nothing(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "pictures-in"
    picture(folder / "quay-fog-14-03-26.jpg")

    def fail(*args: object, **options: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("entries.verbs.go_live", fail)
    with pytest.raises(OSError, match="space"):
        run(file, "--images", folder, "--publish")
    for model in (Story, Entry, Image, Link, ImportedFile):
        assert not model.objects.exists()
    assert stored() == []


def test_a_failed_import_keeps_the_files_of_images_in_use(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "pictures-in"
    with picture(folder / "quay-fog-14-03-26.jpg").open("rb") as opened:
        verbs.add_image("other", verbs.ingest_upload(opened))
    before = stored()
    with pytest.raises(CommandError):
        run(file, "--images", folder, "--slug", "Not A Slug")
    assert stored() == before
    assert len(before) == len(ingest.FORMATS) * 2


# --- A second time


def test_a_long_import_does_not_hold_the_lock_longer(tmp_path: Path):
    held = []
    for number in (1, 2, 40):  # the first makes what is made once
        stamps = [f"UPDATE 12{n:02} GMT: Crossing {n} is made." for n in range(number)]
        text = "\n\n".join([f"HEADLINE: Fog {number}", "DATE: 2026-03-14", *stamps])
        file = write(tmp_path, text, f"{number}.txt")
        with CaptureQueriesContext(connection) as asked:
            run(file, "--state", "live")
        statements = [one["sql"] for one in asked]
        first = next(n for n, one in enumerate(statements) if one[:6] == "INSERT")
        held.append(len(statements) - first)
    assert held[1] == held[2] < 45
    assert Entry.objects.count() == 43


@pytest.mark.parametrize("what", ["slug", "target", "picture"])
def test_changes_before_the_lock_are_prepared_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
):
    rain = make_story("Rain")
    with picture(tmp_path / "in" / "boats.png").open("rb") as opened:
        verbs.add_image("boats-1", verbs.ingest_upload(opened), alt="Boats.")
    text = "HEADLINE: Fog\n\nUPDATE 1200 GMT: Fog.\n\nSee Rain\n\nboats-1\n\nMore."
    file = write(tmp_path, text)
    prepare = verbs.prepare_entry
    times = iter(range(9))

    def prepare_slowly(*args: Any) -> Any:
        prepared = prepare(*args)
        if next(times) == 0:  # meanwhile, at the desk
            if what == "slug":
                make_story("Fog")
            elif what == "target":
                verbs.withdraw_story(rain)
            else:
                Image.objects.update(alt="Two boats.")
        return prepared

    monkeypatch.setattr(verbs, "prepare_entry", prepare_slowly)
    run(file, "--publish", "--date", "2026-03-14")
    slug = "fog-2" if what == "slug" else "fog"
    story = Story.objects.get(slug=slug)
    entry = story.entries.get()
    html = entry.postings.get().html
    assert f"/stories/{slug}/updates/{entry.pk}/" in html
    assert ('alt="Two boats."' in html) == (what == "picture")
    assert "See" in html
    assert ("/stories/rain/" in html) == (what != "target")


def test_the_same_file_is_not_imported_twice(file: Path):
    run(file)
    with pytest.raises(CommandError, match="stories/fog-in-port-ilaria/") as caught:
        run(file, "--headline", "Other")
    assert caught.value.returncode == 3
    assert Story.objects.count() == 1


def test_importing_again_on_request_makes_another_story(file: Path):
    run(file)
    run(file, "--again")
    assert sorted(Story.objects.values_list("slug", flat=True)) == [
        "fog-in-port-ilaria",
        "fog-in-port-ilaria-2",
    ]


def test_a_changed_file_is_another_file(file: Path):
    run(file)
    file.write_text(PAGE + "\nMore.\n", encoding="utf-8")
    run(file)
    assert Story.objects.count() == 2


def test_a_deleted_story_can_be_imported_again(file: Path):
    run(file)
    Story.objects.get().delete()
    run(file)
    assert Story.objects.count() == 1


# --- What scripts rely on


def test_a_dry_run_writes_nothing(tmp_path: Path, file: Path):
    folder = tmp_path / "pictures-in"
    picture(folder / "quay-fog-14-03-26.jpg")
    ran = run(file, "--dry-run", "--images", folder, "--publish", "--series", "New")
    assert "UPDATE" not in ran.err
    assert "3 updates, 0 warnings." in ran.out
    for model in (Story, Entry, Image, Link, ImportedFile, Series):
        assert not model.objects.exists()
    assert stored() == []


def test_a_dry_run_prints_the_documented_keys(file: Path):
    ran = run(file, "--dry-run", "--json")
    data = ran.data
    assert ran.err == ""
    assert list(data) == [
        "photo",
        "latest",
        "feature",
        "updates",
        "original",
        "sections",
        "warnings",
    ]
    assert [each["time"] for each in data["updates"]] == ["18:00", "10:15", "09:10"]
    assert data["warnings"] == []


def test_a_dry_run_reports_a_text_that_is_too_long(tmp_path: Path):
    path = write(tmp_path, "UPDATE 1800 GMT: " + "fog " * 6000)
    assert (
        "line 1: this entry has" in run(path, "--dry-run", "--json").data["warnings"][0]
    )


def test_json_output_names_the_new_story(file: Path):
    data = run(file, "--json").data
    assert data["story"] == Story.objects.get().pk
    assert data["slug"] == "fog-in-port-ilaria"


def test_warnings_are_separate_from_the_result(tmp_path: Path):
    path = write(tmp_path, "UPDATE 1800 GMT: x\n\nUPDATE 2560 GMT: y")
    ran = run(path)
    assert "line 3: there is no such time" in ran.err
    assert "line 3" not in ran.out
    assert Entry.objects.get(state="draft").body == "y"


def test_long_imports_report_their_progress(tmp_path: Path):
    text = "\n\n".join(f"UPDATE 1800 GMT: Fog {n}." for n in range(120))
    path = write(tmp_path, text)
    assert "100 of 121 entries" in run(path).err
    assert "entries" not in run(path, "--again", "-v", "0").err


def test_a_file_that_does_not_exist_is_named(tmp_path: Path):
    with pytest.raises(CommandError, match=r"nothing\.txt” cannot be read") as caught:
        run(tmp_path / "nothing.txt")
    assert caught.value.returncode == 1


@pytest.mark.parametrize(
    "args", [["--date", "14 March"], ["--images", "/nowhere"], ["--date", "0001-01-01"]]
)
def test_wrong_usage_exits_with_2(file: Path, args: list[str]):
    ran = subprocess.run(
        [sys.executable, "manage.py", "import_story", str(file), *args],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 2
    assert "usage:" in ran.stderr


def test_help_lists_the_exit_codes():
    ran = subprocess.run(
        [sys.executable, "manage.py", "import_story", "--help"],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0
    assert "3 this very file was imported before" in " ".join(ran.stdout.split())
