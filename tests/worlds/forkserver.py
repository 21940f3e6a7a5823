"""The forkserver of this process: there is one, for all modules whose tests fork from it."""

import multiprocessing
from multiprocessing.context import ForkServerContext

_preloaded: list[str] = []


def forkserver(*modules: str) -> ForkServerContext:
    """Return the context of the forkserver, which will preload these modules too.

    Call it when a module is imported. ``set_forkserver_preload`` replaces the list that another module has set; the
    processes of that one then import everything anew, a second each.
    """
    _preloaded.extend(modules)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_preloaded)
    return context
