"""Names of constraints and indexes that say table, columns and rule."""

from django.db import migrations

from core.postgres.operations import RenameConstraint

NAMES = {
    "eventkey": {
        "an_event_key_has_an_event_or_waits_for_none": "event_key_event_and_date_together",
    },
    "checkoutpage": {
        "a_page_that_is_known_has_url_and_reference": "checkout_page_url_and_reference_together",
        "a_page_that_is_paid_on_is_an_attempt": "checkout_page_attempt_by_kind",
        "a_page_is_opened_once": "checkout_page_reference_unique",
    },
    "processorcustomer": {
        "a_customer_is_one_payer": "processor_customer_reference_unique",
    },
    "paymentattempt": {
        "a_reference_pays_for_one_attempt": "payment_attempt_reference_unique",
    },
    "refundattempt": {
        "a_refund_is_asked_for_once": "refund_attempt_request_reference_unique",
        "a_refund_attempt_has_a_state": "refund_attempt_state_valid",
    },
    "dispute": {
        "a_dispute_is_dated_as_its_state": "dispute_dates_match_state",
    },
    "webhookendpoint": {
        "endpoint_state_is_known": "webhook_endpoint_state_valid",
    },
    "delivery": {
        "a_settled_delivery_has_its_time": "delivery_settled_at_matches_state",
        "delivery_before": "delivery_open_by_subject",
    },
    "deliveryattempt": {
        "one_row_per_attempt": "delivery_attempt_number_unique",
    },
    "usageimport": {
        "every_row_of_an_import_is_counted_once": "usage_import_rows_equal_counts",
        "an_import_that_is_over_says_when": "usage_import_finished_at_matches_state",
        "imports_to_work_off": "usage_import_unfinished",
    },
    "quarantinedevent": {
        "what_left_the_quarantine_says_when": "quarantined_event_settled_at_matches_state",
        "one_quarantine_per_content": "quarantined_event_key_content_unique",
    },
    "archivedmonth": {
        "what_is_archived_is_a_month": "archived_month_starts_with_a_month",
    },
    "usageday": {
        "usage_day_is_a_number": "usage_day_quantities_finite",
    },
    "ledgerentry": {
        "cash_lies_at_a_processor": "ledger_entry_processor_for_cash_only",
    },
    "payment": {
        "a_reversal_is_of_a_manual_payment_and_says_why": "payment_reversal_manual_with_reason",
    },
    "mail": {
        "a_mail_goes_to_somebody": "mail_recipients_required",
        "a_mail_that_is_being_sent_is_leased": "mail_lease_matches_state",
        "a_mail_that_was_sent_says_when": "mail_sent_at_matches_state",
    },
    "dunningcase": {
        "a_case_waits_for_what_its_state_says": "dunning_case_times_match_state",
        "a_closed_case_says_when": "dunning_case_closed_at_matches_state",
    },
    "verificationfinding": {
        "an_accepted_finding_says_who_and_why": "verification_finding_acceptance_complete",
        "a_finding_names_what_it_holds": "verification_finding_object_by_scope",
        "findings_that_hold": "verification_finding_open",
    },
    "budget": {
        "a_budget_is_money_or_a_quantity_of_a_meter": "budget_amount_or_meter_quantity",
        "a_budget_has_some_thresholds": "budget_thresholds_count",
        "one_budget_per_thing": "budget_agency_agent_meter_hard_unique",
    },
    "budgetmonth": {
        "a_budget_month_is_a_number": "budget_month_totals_finite",
        "a_budget_month_is_a_month": "budget_month_starts_with_a_month",
    },
    "budgetalert": {
        "a_forecast_names_a_date": "budget_alert_expected_on_by_kind",
    },
    "documentline": {
        "one_line_per_agency_month_and_thing": "document_line_agency_month_meter_unique",
        "billed_so_far": "document_line_by_month",
    },
    "document": {
        "document_total_is_a_number": "document_totals_finite",
    },
}


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0035_rejected_rows"),
    ]

    operations = [
        RenameConstraint(model, before, after)
        for model, names in NAMES.items()
        for before, after in names.items()
    ]
