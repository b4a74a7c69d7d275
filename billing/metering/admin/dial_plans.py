"""Staff admin of dial plans."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from billing.metering.models.dial_plans import DialPlan
from billing.metering.services.dial_plans import set_dial_plan
from core.admin.base import autocomplete
from core.admin.readonly import AddingForm, SavedByServiceAdmin, adding_form_for


class DialPlanForm(AddingForm):
    """Saves through the service and shows its refusals at the fields."""

    class Meta:
        model = DialPlan
        fields = ["agency", "inbound_words", "outbound_words"]
        widgets = {"agency": autocomplete(DialPlan, "agency")}

    def add(self, cleaned: dict[str, Any]) -> DialPlan:
        agency = cleaned.pop("agency", None) or self.instance.agency
        return set_dial_plan(
            agency=agency, actor=self.actor, now=timezone.now(), **cleaned
        )


@admin.register(DialPlan)
class DialPlanAdmin(SavedByServiceAdmin):
    """The words of agencies' dial plans; without any, the usual ones are understood."""

    menu = ("Usage imports and quarantine", "Dial plans")
    list_display = ["agency", "inbound", "outbound", "changed_by", "changed_at"]
    list_select_related = ["agency"]
    search_fields = ["agency__code"]
    form = DialPlanForm

    @admin.display(description="inbound words")
    def inbound(self, plan: DialPlan) -> str:
        return ", ".join(plan.inbound_words) or "-"

    @admin.display(description="outbound words")
    def outbound(self, plan: DialPlan) -> str:
        return ", ".join(plan.outbound_words) or "-"

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["agency", "changed_by", "changed_at"] if obj else []

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,  # noqa: FBT001, FBT002
        **kwargs: Any,
    ) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        return adding_form_for(request, form)
