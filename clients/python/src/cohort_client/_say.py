"""What is said through logging: once at the beginning of a trouble, once at its end."""
from __future__ import annotations

import logging
from typing import Set

logger = logging.getLogger("cohort_client")


class Once:
    def __init__(self) -> None:
        self._said: Set[str] = set()

    def warn(self, trouble: str, text: str) -> None:
        """Logs a warning unless this trouble was told and is not over yet."""
        if trouble not in self._said:
            self._said.add(trouble)
            logger.warning("%s", text)

    def over(self, trouble: str, text: str) -> None:
        if trouble in self._said:
            self._said.discard(trouble)
            logger.info("%s", text)
