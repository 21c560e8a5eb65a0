"""The state of a desk in a few numbers, which open pages ask for every two seconds."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Count, Max, Q, Sum
from django.utils.crypto import constant_time_compare, salted_hmac

from entries.admin import presence
from entries.models import Story

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Pulse:
    """The state of a desk's timeline in a few numbers.

    `seal` changes with whatever changes on the desk, and nobody can guess it: who
    shows the present one has seen the present timeline already.
    """

    changed: datetime
    seq: int
    state: str
    seal: str

    def __str__(self) -> str:
        micros = (self.changed - _EPOCH) // timedelta(microseconds=1)
        return f"{micros}.{self.seq}.{self.state}.{self.seal}"

    @classmethod
    def parse(cls, text: str) -> "Pulse | None":
        """Read what a page sends back; None for anything else."""
        micros, _, rest = text.partition(".")
        seq, _, rest = rest.partition(".")
        state, _, seal = rest.partition(".")
        numbers = micros + seq
        if not (numbers.isascii() and numbers.isdigit() and len(numbers) < 36):
            return None
        try:
            changed = _EPOCH + timedelta(microseconds=int(micros or 0))
        except OverflowError:
            return None
        return cls(changed, int(seq or 0), state, seal)

    def same(self, other: "Pulse | None") -> bool:
        """Whether nothing has changed in between."""
        return other is not None and constant_time_compare(self.seal, other.seal)


def of(story_id: int) -> Pulse | None:
    """Return the present pulse of a desk in one query; None where there is no story."""
    facts = (
        Story.objects.filter(pk=story_id)
        .annotate(
            entries_changed=Max("postings__entry__changed_at"),
            rows=Count("postings"),
            pins=Count("postings", filter=Q(postings__pinned=True)),
            keys=Count("postings", filter=Q(postings__key_event=True)),
            edits=Sum("postings__entry__version"),
            present=presence.digest(),
        )
        .values_list(
            "entries_changed",
            "seq",
            "state",
            "rows",
            "pins",
            "keys",
            "edits",
            "pk",
            "present",
        )
        .first()
    )
    if facts is None:
        return None
    seal = salted_hmac("entries.desk.pulse", repr(facts)).hexdigest()[:24]
    return Pulse(facts[0] or _EPOCH, facts[1], facts[2], seal)
