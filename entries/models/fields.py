"""The field for single-line texts."""

from typing import TYPE_CHECKING, Any

from django.db import models

from entries.text import rendering

# Django's own classes are not generic while they run.
if TYPE_CHECKING:
    _CharField = models.CharField[str, str]
else:
    _CharField = models.CharField


class LineField(_CharField):
    """A single line of text, without characters that a feed or PostgreSQL refuses."""

    def to_python(self, value: Any) -> Any:
        """Tidy a value before it is validated or saved."""
        value = super().to_python(value)
        return rendering.one_line(value) if isinstance(value, str) else value

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Tidy the row too, so that what is rendered from it has the same text."""
        words = self.to_python(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, words)
        return words

    def deconstruct(self) -> Any:
        """Appear as a plain CharField in migrations: the column is the same."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs


def max_length(model: type[models.Model], field: str) -> int:
    """Return how many characters a column holds, so that forms need not repeat it."""
    length = getattr(model._meta.get_field(field), "max_length", None)
    if length is None:
        raise TypeError(f"{model.__name__}.{field} has no length")
    return int(length)
