"""Languages of the desk and of series; and the names of models and fields."""

import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


DESK_LANGUAGES = ("en", "de", "fr", "es", "ar")  # as of this migration


def fill(apps, schema_editor):
    """Take a desk's language from a person's first one, a series' from its stories."""
    for profile in apps.get_model("entries", "Profile").objects.exclude(languages=""):
        first = profile.languages.split(",")[0].strip().lower()
        code = next((c for c in (first, first.split("-")[0]) if c in DESK_LANGUAGES), "")
        profile.desk_language = code
        profile.save(update_fields=["desk_language"])
    Story = apps.get_model("entries", "Story")
    for series in apps.get_model("entries", "Series").objects.all():
        used = set(Story.objects.filter(series=series).order_by().values_list("language", flat=True))
        if len(used) == 1 and used != {"en"}:
            series.language = used.pop()
            series.save(update_fields=["language"])


class Migration(migrations.Migration):

    dependencies = [
        ('entries', '0020_recordings'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='audience',
            options={'verbose_name': 'readers now', 'verbose_name_plural': 'readers now'},
        ),
        migrations.AlterModelOptions(
            name='audienceminute',
            options={'default_permissions': (), 'verbose_name': 'readers of a minute', 'verbose_name_plural': 'readers of minutes'},
        ),
        migrations.AlterModelOptions(
            name='deletedentry',
            options={'verbose_name': 'deleted entry', 'verbose_name_plural': 'deleted entries'},
        ),
        migrations.AlterModelOptions(
            name='draft',
            options={'ordering': ['-typed', '-pk'], 'verbose_name': 'unpublished text', 'verbose_name_plural': 'unpublished texts'},
        ),
        migrations.AlterModelOptions(
            name='entry',
            options={'permissions': [('erase_entry', 'Can erase a text for good')], 'verbose_name': 'entry', 'verbose_name_plural': 'entries'},
        ),
        migrations.AlterModelOptions(
            name='entryversion',
            options={'ordering': ['number'], 'verbose_name': 'earlier version', 'verbose_name_plural': 'earlier versions'},
        ),
        migrations.AlterModelOptions(
            name='image',
            options={'ordering': ['-created_at', '-pk'], 'verbose_name': 'picture', 'verbose_name_plural': 'pictures'},
        ),
        migrations.AlterModelOptions(
            name='importedfile',
            options={'verbose_name': 'imported file', 'verbose_name_plural': 'imported files'},
        ),
        migrations.AlterModelOptions(
            name='link',
            options={'ordering': ['order', 'pk'], 'verbose_name': 'link', 'verbose_name_plural': 'links'},
        ),
        migrations.AlterModelOptions(
            name='mention',
            options={'verbose_name': 'mention', 'verbose_name_plural': 'mentions'},
        ),
        migrations.AlterModelOptions(
            name='note',
            options={'verbose_name': 'note', 'verbose_name_plural': 'notes'},
        ),
        migrations.AlterModelOptions(
            name='oldurl',
            options={'verbose_name': 'former URL', 'verbose_name_plural': 'former URLs'},
        ),
        migrations.AlterModelOptions(
            name='posting',
            options={'verbose_name': 'posting', 'verbose_name_plural': 'postings'},
        ),
        migrations.AlterModelOptions(
            name='presence',
            options={'verbose_name': 'open desk', 'verbose_name_plural': 'open desks'},
        ),
        migrations.AlterModelOptions(
            name='profile',
            options={'default_permissions': (), 'verbose_name': 'profile', 'verbose_name_plural': 'profiles'},
        ),
        migrations.AlterModelOptions(
            name='series',
            options={'ordering': ['name'], 'verbose_name': 'series', 'verbose_name_plural': 'series'},
        ),
        migrations.AlterModelOptions(
            name='site',
            options={'verbose_name': 'site', 'verbose_name_plural': 'sites'},
        ),
        migrations.AlterModelOptions(
            name='snippet',
            options={'ordering': ['order', 'name'], 'verbose_name': 'snippet', 'verbose_name_plural': 'snippets'},
        ),
        migrations.AlterModelOptions(
            name='story',
            options={'ordering': ['-created_at', '-pk'], 'verbose_name': 'story', 'verbose_name_plural': 'stories'},
        ),
        migrations.AlterModelOptions(
            name='storyslug',
            options={'verbose_name': 'URL of a story', 'verbose_name_plural': 'URLs of stories'},
        ),
        migrations.AlterModelOptions(
            name='storyversion',
            options={'ordering': ['number'], 'verbose_name': 'earlier version', 'verbose_name_plural': 'earlier versions'},
        ),
        migrations.AddField(
            model_name='profile',
            name='desk_language',
            field=models.CharField(blank=True, max_length=20),
        ),
        migrations.AddField(
            model_name='series',
            name='language',
            field=models.CharField(blank=True, help_text='Of its new stories. Empty: the site’s language.', max_length=20, verbose_name='language'),
        ),
        migrations.AlterField(
            model_name='entry',
            name='author',
            field=models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='entries', to=settings.AUTH_USER_MODEL, verbose_name='author'),
        ),
        migrations.AlterField(
            model_name='entry',
            name='body',
            field=models.TextField(blank=True, verbose_name='text'),
        ),
        migrations.AlterField(
            model_name='entry',
            name='byline',
            field=models.CharField(blank=True, max_length=100, verbose_name='byline'),
        ),
        migrations.AlterField(
            model_name='entry',
            name='headline',
            field=models.CharField(blank=True, max_length=200, verbose_name='headline'),
        ),
        migrations.AlterField(
            model_name='entry',
            name='kind',
            field=models.CharField(choices=[('original', 'Original'), ('update', 'Update')], default='update', max_length=10, verbose_name='kind'),
        ),
        migrations.AlterField(
            model_name='entry',
            name='state',
            field=models.CharField(choices=[('draft', 'Draft'), ('submitted', 'Submitted'), ('scheduled', 'Scheduled'), ('published', 'Published'), ('withdrawn', 'Withdrawn')], default='draft', editable=False, max_length=10, verbose_name='state'),
        ),
        migrations.AlterField(
            model_name='entry',
            name='story',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='entries', to='entries.story', verbose_name='story'),
        ),
        migrations.AlterField(
            model_name='image',
            name='caption',
            field=models.CharField(blank=True, max_length=1000, verbose_name='caption'),
        ),
        migrations.AlterField(
            model_name='image',
            name='captions',
            field=models.TextField(blank=True, help_text='WebVTT or SRT; saved as WebVTT.', max_length=200000, verbose_name='captions'),
        ),
        migrations.AlterField(
            model_name='image',
            name='captions_language',
            field=models.CharField(default='en', max_length=20, verbose_name='language of the captions'),
        ),
        migrations.AlterField(
            model_name='image',
            name='credit',
            field=models.CharField(blank=True, max_length=200, verbose_name='credit'),
        ),
        migrations.AlterField(
            model_name='image',
            name='decorative',
            field=models.BooleanField(default=False, help_text='Says nothing that the text does not say.', verbose_name='decorative'),
        ),
        migrations.AlterField(
            model_name='image',
            name='focal_x',
            field=models.PositiveSmallIntegerField(default=50, help_text='Percent from the left edge.', validators=[django.core.validators.MaxValueValidator(100, 'Give a percentage from 0 to 100.')], verbose_name='focal point, across'),
        ),
        migrations.AlterField(
            model_name='image',
            name='focal_y',
            field=models.PositiveSmallIntegerField(default=50, help_text='Percent from the top.', validators=[django.core.validators.MaxValueValidator(100, 'Give a percentage from 0 to 100.')], verbose_name='focal point, down'),
        ),
        migrations.AlterField(
            model_name='image',
            name='name',
            field=models.SlugField(allow_unicode=True, max_length=120, unique=True, verbose_name='name'),
        ),
        migrations.AlterField(
            model_name='image',
            name='no_speech',
            field=models.BooleanField(default=False, help_text='Nobody speaks, so nothing to caption.', verbose_name='no speech'),
        ),
        migrations.AlterField(
            model_name='image',
            name='poster',
            field=models.ForeignKey(blank=True, limit_choices_to={'media_type': ''}, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='poster_of', to='entries.image', verbose_name='poster'),
        ),
        migrations.AlterField(
            model_name='image',
            name='transcript',
            field=models.TextField(blank=True, help_text='What is said, for people who read it.', max_length=20000, verbose_name='transcript'),
        ),
        migrations.AlterField(
            model_name='link',
            name='entry',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='links', to='entries.entry', verbose_name='entry'),
        ),
        migrations.AlterField(
            model_name='link',
            name='kind',
            field=models.CharField(choices=[('see', 'See'), ('cross-posted', 'Cross-posted from'), ('latest', 'Latest'), ('feature', 'Feature'), ('previous', 'Previous'), ('next', 'Next')], max_length=12, verbose_name='kind'),
        ),
        migrations.AlterField(
            model_name='link',
            name='order',
            field=models.PositiveIntegerField(default=0, verbose_name='order'),
        ),
        migrations.AlterField(
            model_name='link',
            name='story',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='links', to='entries.story', verbose_name='story'),
        ),
        migrations.AlterField(
            model_name='link',
            name='target_series',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='linked_from', to='entries.series', verbose_name='target series'),
        ),
        migrations.AlterField(
            model_name='link',
            name='target_story',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='linked_from', to='entries.story', verbose_name='target story'),
        ),
        migrations.AlterField(
            model_name='link',
            name='title',
            field=models.CharField(blank=True, max_length=300, verbose_name='title'),
        ),
        migrations.AlterField(
            model_name='series',
            name='description',
            field=models.CharField(blank=True, max_length=300, verbose_name='description'),
        ),
        migrations.AlterField(
            model_name='series',
            name='name',
            field=models.CharField(max_length=100, unique=True, verbose_name='name'),
        ),
        migrations.AlterField(
            model_name='series',
            name='slug',
            field=models.SlugField(max_length=100, unique=True, verbose_name='slug'),
        ),
        migrations.AlterField(
            model_name='snippet',
            name='name',
            field=models.CharField(max_length=60, unique=True, verbose_name='name'),
        ),
        migrations.AlterField(
            model_name='snippet',
            name='order',
            field=models.PositiveIntegerField(default=0, verbose_name='order'),
        ),
        migrations.AlterField(
            model_name='story',
            name='continues_in',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='continues', to='entries.story', verbose_name='continues in'),
        ),
        migrations.AlterField(
            model_name='story',
            name='first_day',
            field=models.DateField(blank=True, help_text='The day whose updates show no date; set when the story goes live.', null=True, verbose_name='first day'),
        ),
        migrations.AlterField(
            model_name='story',
            name='headline',
            field=models.CharField(max_length=200, verbose_name='headline'),
        ),
        migrations.AlterField(
            model_name='story',
            name='language',
            field=models.CharField(default='en', max_length=20, verbose_name='language'),
        ),
        migrations.AlterField(
            model_name='story',
            name='lead_image',
            field=models.ForeignKey(blank=True, limit_choices_to={'media_type': ''}, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='led_stories', to='entries.image', verbose_name='lead picture'),
        ),
        migrations.AlterField(
            model_name='story',
            name='live_at',
            field=models.DateTimeField(editable=False, null=True, verbose_name='start'),
        ),
        migrations.AlterField(
            model_name='story',
            name='series',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='stories', to='entries.series', verbose_name='series'),
        ),
        migrations.AlterField(
            model_name='story',
            name='slug',
            field=models.SlugField(max_length=120, unique=True, verbose_name='slug'),
        ),
        migrations.AlterField(
            model_name='story',
            name='standfirst',
            field=models.CharField(blank=True, max_length=500, verbose_name='standfirst'),
        ),
        migrations.AlterField(
            model_name='story',
            name='state',
            field=models.CharField(choices=[('draft', 'Draft'), ('announced', 'Announced'), ('live', 'Live'), ('closed', 'Closed'), ('withdrawn', 'Withdrawn')], default='draft', editable=False, max_length=10, verbose_name='state'),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
