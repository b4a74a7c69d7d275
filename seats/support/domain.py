"""The name under which a session of the web knows whom its staff user acts as."""

ACTING = "acting_as"
