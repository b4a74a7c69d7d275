"""The scopes of agencies, agents and seats. Pure."""

from core.scopes import ApiScope


class SeatScope(ApiScope):
    """What an API key may do with seats."""

    READ = "seats:read", "List agencies, agents and seats."
    WRITE = "seats:write", "Add agents; add, remove, hand over and transfer seats."
