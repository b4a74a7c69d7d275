"""The rooms of an app: what each declares is collected at start, not listed. Pure."""

from importlib import import_module
from pathlib import Path


def import_from_rooms(app: str, kind: str) -> None:
    """Import a kind of module, such as "domain/scopes", from every room that has it.

    A folder is imported with all its modules. Repeating is harmless.
    """
    folder = Path(str(import_module(app).__file__)).parent
    paths = [*folder.glob(f"*/{kind}.py"), *folder.glob(f"*/{kind}/*.py")]
    for path in sorted(paths):
        if path.stem != "__init__":
            parts = path.relative_to(folder).with_suffix("").parts
            import_module(".".join([app, *parts]))
