"""A model field for single-line texts, and the lengths of fields."""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q

from entries.text import rendering, words
from entries.text.folding import fold

# Django's field classes are generic for type checkers, but not at runtime.
if TYPE_CHECKING:
    _CharField = models.CharField[str, str]
    _TextField = models.TextField[str | None, str | None]
else:
    _CharField = models.CharField
    _TextField = models.TextField
MAX_QUERY_WORDS = 8  # words of a query for titles and names; the rest is ignored


class LineField(_CharField):
    """A single line of text, free of characters that feeds or PostgreSQL reject."""

    def to_python(self, value: Any) -> Any:
        """Tidy a value before it is validated."""
        value = super().to_python(value)
        return rendering.one_line(value) if isinstance(value, str) else value

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Tidy the instance's value too, so that fragments show what is stored."""
        text = self.to_python(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, text)
        return text

    def deconstruct(self) -> Any:
        """Present it to migrations as a CharField, since the column is the same."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs


class FoldedField(_TextField):
    """The folded texts of other fields of a row, in which lists and pickers search.

    It is set whenever the row is saved; `save(update_fields=…)` must name it too. It is
    null in rows from older releases that migration 0023 has not come to yet.
    """

    def __init__(self, *args: Any, sources: Sequence[str] = (), **kwargs: Any) -> None:
        self.sources = sources
        super().__init__(*args, **({"null": True, "editable": False} | kwargs))

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Return the texts of its sources as comparisons see them."""
        texts = (str(getattr(model_instance, name)) for name in self.sources)
        setattr(model_instance, self.attname, fold("\n".join(texts)))
        return super().pre_save(model_instance, add)

    def deconstruct(self) -> Any:
        """Present it to migrations as a TextField, since the column is the same."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.TextField", args, kwargs


def has_words(text: str, *fields: str) -> Q:
    """Return the condition that some folded fields together have all words of a text.

    Words may be parts of words. A text without any word is in no field.
    """
    found = words.query_words(text)
    condition = Q() if found or not text.strip() else Q(pk=None)
    for word in found[:MAX_QUERY_WORDS]:
        any_field = (Q(**{f"{field}__contains": word}) for field in fields)
        condition &= reduce(or_, any_field)
    return condition


def max_length(model: type[models.Model], field: str) -> int:
    """Return the maximum length of a model's field, so that it is declared once."""
    length = getattr(model._meta.get_field(field), "max_length", None)
    if length is None:
        raise TypeError(f"{model.__name__}.{field} has no length")
    return int(length)
