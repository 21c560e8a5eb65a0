"""Prepare stories in several processes; only the importing process writes rows.

Rendering takes several milliseconds an update, most of the time of an import.
"""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Final, Self

from entries.database.processes import can_share_database, process_pool
from entries.exchange import loading
from entries.exchange.document import Document
from entries.exchange.loading import ImportOptions, Prepared

logger = logging.getLogger(__name__)

MIN_STORIES: Final = 8  # for which it is worthwhile to start processes
_AHEAD: Final = 4  # stories that are prepared, or waiting, for each process


@dataclass(frozen=True)
class Job:
    """A story that is being prepared."""

    document: Document
    options: ImportOptions
    result: Callable[[], Prepared]


class Workers:
    """The processes that prepare stories; none if there are few stories.

    In a transaction there are none either: they would not see what it has written.
    """

    def __init__(self, processes: int, stories: int) -> None:
        few = processes < 2 or stories < MIN_STORIES
        self.processes = 1 if few or not can_share_database() else processes
        self._pool: ProcessPoolExecutor | None = None

    @property
    def capacity(self) -> int:
        """The number of stories to prepare ahead of the one that is saved."""
        return self.processes * _AHEAD if self.processes > 1 else 0

    def __enter__(self) -> Self:
        if self.processes > 1:
            self._pool = process_pool(self.processes)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def prepare(self, document: Document, options: ImportOptions) -> Job:
        """Have a document prepared; it is ready when the job's result is asked for."""
        here = partial(_prepare, document, options)
        if self._pool:
            try:
                future = self._pool.submit(_prepare, document, options)
                return Job(document, options, partial(self._result, future, here))
            except BrokenProcessPool:
                self._stop()
        return Job(document, options, here)

    def _result(
        self, future: Future[Prepared], here: Callable[[], Prepared]
    ) -> Prepared:
        try:
            return future.result()
        except BrokenProcessPool:
            self._stop()
            return here()

    def _stop(self) -> None:
        logger.warning("A process that prepared stories has died; going on without.")
        self._pool = None


def _prepare(document: Document, options: ImportOptions) -> Prepared:
    return loading.prepare(document, options, lambda done, total, what: None)
