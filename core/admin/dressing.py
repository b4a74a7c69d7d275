"""Form fields in the look of the two sites.

The theme dresses the fields that it makes from models. Fields that a form declares
itself keep Django's bare widgets, so forms of the sites derive from `DressedForm`.
"""

from typing import Any

from django import forms
from django.contrib.admin.widgets import AutocompleteMixin
from unfold import widgets

from core.fields import PlainForm

# The first kind that a widget is decides; what is none of them keeps its own look.
CLASSES: list[tuple[type[Any], list[str]]] = [
    (AutocompleteMixin, []),
    (forms.CheckboxSelectMultiple, []),
    (forms.RadioSelect, []),
    (forms.HiddenInput, []),
    (forms.CheckboxInput, widgets.CHECKBOX_CLASSES),
    (forms.Textarea, widgets.TEXTAREA_CLASSES),
    (forms.Select, widgets.SELECT_CLASSES),
    (forms.widgets.Input, widgets.INPUT_CLASSES),
]


class DressedForm(PlainForm):
    """A form whose fields look like the theme's own, however they are declared."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            dress(field)


def dress(field: forms.Field) -> None:
    """Give a field the look of the theme, unless its widget has a look of its own."""
    if isinstance(field.widget, forms.FileInput):
        is_required = field.widget.is_required
        field.widget = widgets.UnfoldAdminFileFieldWidget()
        field.widget.is_required = is_required
        return
    classes = next(
        (look for kind, look in CLASSES if isinstance(field.widget, kind)), []
    )
    if classes and "class" not in field.widget.attrs:
        field.widget.attrs["class"] = " ".join(classes)
