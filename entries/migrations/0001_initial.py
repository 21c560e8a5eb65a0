"""The first tables."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Image',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.SlugField(allow_unicode=True, max_length=120, unique=True)),
                ('alt', models.CharField(blank=True, max_length=500, verbose_name='alt text')),
                ('decorative', models.BooleanField(default=False, help_text='Says nothing that the text does not say.')),
                ('caption', models.CharField(blank=True, max_length=1000)),
                ('credit', models.CharField(blank=True, max_length=200)),
                ('stem', models.CharField(blank=True, editable=False, max_length=80)),
                ('width', models.PositiveIntegerField(default=0, editable=False)),
                ('height', models.PositiveIntegerField(default=0, editable=False)),
                ('widths', models.JSONField(default=list, editable=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ['-created_at', '-pk'],
            },
        ),
        migrations.CreateModel(
            name='Series',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100, unique=True)),
                ('slug', models.SlugField(max_length=100, unique=True)),
                ('description', models.CharField(blank=True, max_length=300)),
            ],
            options={
                'verbose_name_plural': 'series',
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='Site',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('epoch', models.CharField(editable=False, max_length=16)),
                ('seq', models.BigIntegerField(default=1, editable=False)),
            ],
        ),
        migrations.CreateModel(
            name='Entry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('original', 'Original'), ('update', 'Update')], default='update', max_length=10)),
                ('state', models.CharField(choices=[('draft', 'Draft'), ('submitted', 'Submitted'), ('scheduled', 'Scheduled'), ('published', 'Published'), ('withdrawn', 'Withdrawn')], default='draft', editable=False, max_length=10)),
                ('at', models.DateTimeField(blank=True, null=True, verbose_name='time (GMT)')),
                ('headline', models.CharField(blank=True, max_length=200)),
                ('body', models.TextField(blank=True)),
                ('html', models.TextField(blank=True, editable=False)),
                ('byline', models.CharField(blank=True, max_length=100)),
                ('version', models.PositiveIntegerField(default=1, editable=False)),
                ('key', models.UUIDField(editable=False, null=True, unique=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('changed_at', models.DateTimeField(auto_now=True)),
                ('published_at', models.DateTimeField(editable=False, null=True)),
                ('author', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='entries', to=settings.AUTH_USER_MODEL)),
                ('images', models.ManyToManyField(editable=False, related_name='entries', to='entries.image')),
            ],
            options={
                'verbose_name_plural': 'entries',
            },
        ),
        migrations.CreateModel(
            name='Story',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('headline', models.CharField(max_length=200)),
                ('slug', models.SlugField(max_length=120, unique=True)),
                ('standfirst', models.CharField(blank=True, max_length=500)),
                ('summary', models.TextField(blank=True, help_text='“What we know”, in Markdown.', verbose_name='summary box')),
                ('summary_html', models.TextField(blank=True, editable=False)),
                ('language', models.CharField(default='en', max_length=20)),
                ('state', models.CharField(choices=[('draft', 'Draft'), ('live', 'Live'), ('closed', 'Closed'), ('withdrawn', 'Withdrawn')], default='draft', editable=False, max_length=10)),
                ('first_day', models.DateField(blank=True, help_text='The day whose updates show no date; set when the story goes live.', null=True)),
                ('live_at', models.DateTimeField(editable=False, null=True)),
                ('closed_at', models.DateTimeField(editable=False, null=True)),
                ('seq', models.BigIntegerField(default=0, editable=False)),
                ('head_seq', models.BigIntegerField(default=0, editable=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('changed_at', models.DateTimeField(auto_now_add=True)),
                ('continues_in', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='continues', to='entries.story')),
                ('lead_image', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='led_stories', to='entries.image')),
                ('series', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='stories', to='entries.series')),
            ],
            options={
                'verbose_name_plural': 'stories',
                'ordering': ['-created_at', '-pk'],
            },
        ),
        migrations.CreateModel(
            name='Posting',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('pinned', models.BooleanField(default=False)),
                ('key_event', models.BooleanField(default=False)),
                ('removed', models.BooleanField(default=False, editable=False)),
                ('seq', models.BigIntegerField(editable=False, null=True)),
                ('first_seq', models.BigIntegerField(editable=False, null=True)),
                ('html', models.TextField(blank=True, editable=False)),
                ('entry', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='postings', to='entries.entry')),
                ('story', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='postings', to='entries.story')),
            ],
        ),
        migrations.CreateModel(
            name='Link',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('see', 'See'), ('cross-posted', 'Cross-posted from'), ('latest', 'Latest'), ('feature', 'Feature'), ('previous', 'Previous'), ('next', 'Next')], max_length=12)),
                ('target_url', models.CharField(blank=True, max_length=500, verbose_name='outside address')),
                ('title', models.CharField(blank=True, max_length=300)),
                ('label', models.CharField(blank=True, help_text='As in “Tuesday feature”.', max_length=60)),
                ('order', models.PositiveIntegerField(default=0)),
                ('entry', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='links', to='entries.entry')),
                ('target_series', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='linked_from', to='entries.series')),
                ('story', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='links', to='entries.story')),
                ('target_story', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='linked_from', to='entries.story')),
            ],
            options={
                'ordering': ['order', 'pk'],
            },
        ),
        migrations.AddField(
            model_name='entry',
            name='story',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='entries', to='entries.story'),
        ),
        migrations.CreateModel(
            name='StorySlug',
            fields=[
                ('slug', models.SlugField(max_length=120, primary_key=True, serialize=False)),
                ('story', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='slugs', to='entries.story')),
            ],
        ),
        migrations.CreateModel(
            name='EntryVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('at', models.DateTimeField(null=True)),
                ('headline', models.CharField(blank=True, max_length=200)),
                ('body', models.TextField(blank=True)),
                ('line', models.CharField(blank=True, max_length=300, verbose_name='correction')),
                ('hidden', models.BooleanField(default=False)),
                ('changed_at', models.DateTimeField()),
                ('changed_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('entry', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='versions', to='entries.entry')),
            ],
            options={
                'ordering': ['number'],
                'constraints': [models.UniqueConstraint(fields=('entry', 'number'), name='one_version_a_number')],
            },
        ),
        migrations.AddIndex(
            model_name='story',
            index=models.Index(fields=['state', '-live_at'], name='entries_sto_state_4e9970_idx'),
        ),
        migrations.AddConstraint(
            model_name='posting',
            constraint=models.UniqueConstraint(fields=('entry', 'story'), name='an_entry_once_a_story'),
        ),
        migrations.AddConstraint(
            model_name='posting',
            constraint=models.UniqueConstraint(fields=('story', 'seq'), name='a_seq_once_a_story'),
        ),
        migrations.AddConstraint(
            model_name='link',
            constraint=models.CheckConstraint(condition=models.Q(('story__isnull', True), ('entry__isnull', True), _connector='OR'), name='a_link_leaves_from_one_place'),
        ),
        migrations.AddConstraint(
            model_name='link',
            constraint=models.CheckConstraint(condition=models.Q(('target_url', ''), models.Q(('target_series__isnull', True), ('target_story__isnull', True)), _connector='OR'), name='a_link_has_one_target'),
        ),
        migrations.AddConstraint(
            model_name='link',
            constraint=models.CheckConstraint(condition=models.Q(('target_story__isnull', True), ('target_series__isnull', True), _connector='OR'), name='a_link_has_one_target_here'),
        ),
        migrations.AddIndex(
            model_name='entry',
            index=models.Index(fields=['state', 'at'], name='entries_ent_state_c050c3_idx'),
        ),
        migrations.AddConstraint(
            model_name='entry',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'original')), fields=('story',), name='one_original_a_story'),
        ),
        migrations.AddConstraint(
            model_name='entry',
            constraint=models.CheckConstraint(condition=models.Q(('kind', 'original'), ('at__isnull', False), ('state__in', ['draft', 'submitted', 'withdrawn']), _connector='OR'), name='published_update_has_a_time'),
        ),
    ]
