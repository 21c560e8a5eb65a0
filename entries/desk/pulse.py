"""The state of a desk in a few numbers, which open pages ask for every two seconds."""

from dataclasses import dataclass

from django.db.models import Subquery
from django.utils.crypto import constant_time_compare, salted_hmac

from entries.desk import presence
from entries.models import Site, Story


@dataclass(frozen=True)
class Pulse:
    """The state of a desk's timeline in a few numbers.

    `desk` is the desk's counter of changes in the history `epoch`, `seq` that of the
    changes readers see. `seal` changes with whatever changes on the desk, and nobody
    can guess it: who shows the present one has seen the present timeline already.
    """

    epoch: str
    desk: int
    seq: int
    state: str
    seal: str

    def __str__(self) -> str:
        return f"{self.epoch}-{self.desk}.{self.seq}.{self.state}.{self.seal}"

    @classmethod
    def parse(cls, text: str) -> "Pulse | None":
        """Read what a page sends back; None for anything else."""
        cursor, _, rest = text.partition(".")
        epoch, _, desk = cursor.rpartition("-")
        seq, _, rest = rest.partition(".")
        state, _, seal = rest.partition(".")
        numbers = desk + seq
        if not (numbers.isascii() and numbers.isdigit() and len(numbers) < 36):
            return None
        return cls(epoch, int(desk or 0), int(seq or 0), state, seal)

    def same(self, other: "Pulse | None") -> bool:
        """Whether nothing has changed in between."""
        return other is not None and constant_time_compare(self.seal, other.seal)

    def known(self, present: "Pulse") -> int:
        """Return the number after which a page with this pulse lacks changes.

        -1, which is before all of them, where it is of another history.
        """
        same = self.epoch == present.epoch and self.desk <= present.desk
        return self.desk if same else -1


def current_pulse(story_id: int) -> Pulse | None:
    """Return the present pulse of a desk in one query; None where there is no story."""
    epoch = Subquery(Site.objects.filter(pk=1).values("epoch"))
    facts = (
        Story.objects.filter(pk=story_id)
        .annotate(epoch=epoch, present=presence.digest())
        .values_list("epoch", "desk_seq", "seq", "state", "pk", "present")
        .first()
    )
    if facts is None:
        return None
    seal = salted_hmac("entries.desk.pulse", repr(facts)).hexdigest()[:24]
    return Pulse(facts[0] or "", *facts[1:4], seal)
