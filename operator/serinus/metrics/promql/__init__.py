"""Queries of users: parsed, confined and typed.

A tenant writes them, and they are asked with the platform's credentials of a Prometheus that knows all tenants. So the
text of a query is never asked, not even in part: it is read into a tree of our own that can hold nothing but what is
allowed, every selector in the tree is confined to the pods of one namespace and revision, and what is asked is printed
from the tree. What reaches further, or would turn "no data" into a number, is refused with a sentence that says what
would be right.

    tree       what a query may consist of, and how it is printed
    literals   the strings in a text, taken out before anything else looks at it
    reading    from text to tree; the only importer of promql_parser
    query      from tree to a typed query, and to what is asked
    answers    from the answer to points
"""

from serinus.metrics.promql.answers import attribute_query_points, read_instant, read_number
from serinus.metrics.promql.query import (
    Kind,
    Scope,
    TypedQuery,
    build_instant_query,
    build_number_query,
    build_range_query,
    parse_number_query,
    parse_query,
)
from serinus.metrics.promql.tree import QueryProblem

__all__ = [
    "Kind",
    "QueryProblem",
    "Scope",
    "TypedQuery",
    "attribute_query_points",
    "build_instant_query",
    "build_number_query",
    "build_range_query",
    "parse_number_query",
    "parse_query",
    "read_instant",
    "read_number",
]
