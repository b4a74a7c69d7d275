"""The demo: a small downline, two months of churn and calls, billed for real."""
