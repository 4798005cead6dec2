"""How does a process that runs experiments begin, and when does it end?"""

import multiprocessing
import os
import threading

__all__ = ["begin"]


def begin() -> None:
    """What it does first: one thread for its sums, and no life after its parent's, whose work it would go on with unseen."""
    from threadpoolctl import threadpool_limits

    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    threadpool_limits(limits=1)  # for what is loaded already
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "only asked in a process that another one started"
    parent.join()
    os._exit(1)
