"""The notebooks that a server has open, one a study; whatever ends the server ends their kernels."""

import threading
from pathlib import Path

from diffing.agents.sight import Sight
from diffing.agents.workshop.notebook import Notebook
from diffing.agents.workshop.workspace import Workspace
from diffing.study.study import Study


class Notebooks:
    """The notebooks that a server has open, one a study."""

    def __init__(self, sight: Sight, workspace: Workspace | None = None, plain: bool = False) -> None:
        self._how = (sight, workspace, plain)
        self._open: dict[Path, Notebook] = {}
        self._one = threading.Lock()

    def of(self, study: Study) -> Notebook:
        """The study's notebook, opened where it is not yet; a `UserError` where its kernel would have no walls."""
        with self._one:
            found = self._open.get(study.folder)
            if found is None:
                found = self._open[study.folder] = Notebook(study, *self._how)
            return found

    def close(self) -> None:
        """End all kernels."""
        with self._one:
            for each in self._open.values():
                each.close()
            self._open.clear()
