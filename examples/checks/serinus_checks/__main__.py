"""python -m serinus_checks: everything it needs is in the environment."""

import os
import sys
from functools import partial

from .run import run

if __name__ == "__main__":
    sys.exit(run(os.environ, partial(print, flush=True)))
