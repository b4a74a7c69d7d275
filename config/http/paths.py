"""Paths that the web server and the middlewares treat specially."""

URGENT = "/api/v1/authorize"  # a dialer waits for the response before each call
