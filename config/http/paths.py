"""Paths that the web server and the middlewares treat in a way of their own."""

URGENT = "/api/v1/authorize"  # a dialer waits for the answer before each call
