"""The hash of passwords in the tests."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class OneRound(PBKDF2PasswordHasher):
    """One round in place of a million; the hash says so, and every process can check it."""

    iterations = 1
