"""The one error that a user can mend."""

from __future__ import annotations


class InputError(ValueError):
    """Something handed to the harness is wrong; the message names it and the remedy.

    The command line prints the message alone and exits with code 2. Everything
    else that goes wrong is a bug and keeps its traceback.
    """
