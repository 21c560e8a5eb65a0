"""A model field for single-line texts, and the lengths of fields."""

from typing import TYPE_CHECKING, Any

from django.db import models

from entries.text import rendering

# Django's field classes are generic for type checkers, but not at runtime.
if TYPE_CHECKING:
    _CharField = models.CharField[str, str]
else:
    _CharField = models.CharField


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


def max_length(model: type[models.Model], field: str) -> int:
    """Return the maximum length of a model's field, so that it is declared once."""
    length = getattr(model._meta.get_field(field), "max_length", None)
    if length is None:
        raise TypeError(f"{model.__name__}.{field} has no length")
    return int(length)
