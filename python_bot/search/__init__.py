"""Search in what was said. `contract.Search` is what everyone else knows of it."""

from .contract import Search, SearchOrder
from .finder import IndexedSearch
from .index import Index
from .indexer import Indexer
from .query import BadQuery, Query, parse

__all__ = ["BadQuery", "Index", "IndexedSearch", "Indexer", "Query", "Search", "SearchOrder", "parse"]
