"""The demo: a small downline, and two months of seat changes and calls to bill."""
