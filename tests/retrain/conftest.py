"""Threads of BLAS gain nothing on matrices this small, and fight each other where cores are few."""

from threadpoolctl import threadpool_limits

LIMITS = threadpool_limits(limits=1)
