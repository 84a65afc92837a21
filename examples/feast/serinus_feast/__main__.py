"""python -m serinus_feast schema|freshness|snapshot --help"""

import os
import sys
from functools import partial

from .run import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], os.environ, partial(print, flush=True)))
