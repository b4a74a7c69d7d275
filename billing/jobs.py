"""The permissions of each job of platform staff, synchronized to Django's groups.

Only a superuser changes staff or gives them jobs; see `seats.members.admin.staff`.
"""

from typing import Any

from django.apps import AppConfig, apps
from django.contrib.auth.management import create_permissions
from django.db import connections

VIEW = """
    seats.view_agency seats.view_agent seats.view_seat seats.view_member seats.view_user
    seats.view_invitation seats.view_auditentry seats.view_supportsession
    seats.view_supportview seats.view_supportaccess
    billing.view_billingaccount billing.view_accountstanding billing.view_payershareset
    billing.view_budget billing.view_document billing.view_dunningcase
    billing.view_dunninghold billing.view_mail billing.view_meter billing.view_pricelist
    billing.view_rate billing.view_usageday billing.view_usageimport
    billing.view_quarantinedevent billing.view_outboxevent billing.view_delivery
    billing.view_webhookendpoint
    seats.view_agencyzone seats.view_upline seats.view_seatholding seats.view_seatversion
    billing.view_budgetalert billing.view_budgetmonth billing.view_deliveryattempt
    billing.view_documentline billing.view_dunningstep billing.view_payershare
    billing.view_ratetier billing.view_rejectedrow billing.view_conversationleg
    billing.view_dialplan
"""
SUPPORT = """
    seats.add_agent seats.change_agent
    seats.add_seat seats.remove_seat seats.hand_over_seat seats.transfer_seat
    seats.reopen_seat seats.cancel_seat
    seats.add_member seats.change_member seats.delete_member
    seats.add_invitation seats.revoke_invitation
    seats.add_user seats.change_user seats.add_supportsession
    billing.add_budget billing.change_budget billing.delete_budget
    billing.add_usageimport billing.release_quarantinedevent
    billing.add_dialplan billing.change_dialplan
    billing.send_again_mail
    billing.pause_webhookendpoint billing.resume_webhookendpoint
    billing.send_test_webhookendpoint billing.replay_webhookendpoint
    billing.replay_delivery
"""
VIEW_MONEY = """
    billing.view_billingrun billing.view_runitem billing.view_payment
    billing.view_paymentattempt billing.view_paymentmethod billing.view_checkoutpage
    billing.view_refundattempt billing.view_refundapproval billing.view_dispute
    billing.view_ledgertransaction
    billing.view_paymentprocessor billing.view_processorevent admin.view_logentry
    billing.view_verificationrun billing.view_verificationfinding
    billing.view_recurringjob
    billing.view_allocation billing.view_refund billing.view_ledgerentry
    billing.view_attemptchange billing.view_refundattemptchange
    billing.view_disputechange
"""
BILLING = """
    billing.change_billingaccount billing.suspend_billingaccount billing.lift_billingaccount
    billing.add_payershareset
    billing.add_budget billing.change_budget billing.delete_budget
    billing.issue_document billing.discard_document billing.void_document
    billing.add_billingrun billing.release_runitem billing.accept_runitem
    billing.hold_dunningcase billing.add_dunninghold
    billing.add_usageimport billing.release_quarantinedevent
    billing.replace_counted_quarantinedevent billing.drop_quarantinedevent
    billing.send_again_mail
    billing.add_payment billing.refund_payment billing.reverse_payment
    billing.approve_refundapproval billing.decline_refundapproval
    billing.add_paymentattempt billing.close_paymentattempt billing.close_refundattempt
    billing.add_paymentmethod billing.remove_paymentmethod
    billing.add_checkoutpage billing.close_checkoutpage
    billing.retry_processorevent billing.set_aside_processorevent
    billing.add_pricelist billing.change_pricelist billing.delete_pricelist
    billing.add_rate billing.change_rate billing.delete_rate
    billing.add_ratetier billing.change_ratetier billing.delete_ratetier
"""
ADMIN = """
    seats.add_agency seats.change_agency seats.move_agency seats.change_zone_agency
    seats.view_apikey seats.revoke_apikey auth.view_group
    billing.publish_pricelist billing.accept_verificationfinding
    billing.add_paymentprocessor billing.change_paymentprocessor
    billing.rotate_paymentprocessor
    billing.add_webhookendpoint billing.delete_webhookendpoint
    billing.rotate_webhookendpoint
"""
JOBS = {
    "support": frozenset(f"{VIEW} {SUPPORT}".split()),
    "billing": frozenset(f"{VIEW} {VIEW_MONEY} {BILLING}".split()),
    "admin": frozenset(f"{VIEW} {SUPPORT} {VIEW_MONEY} {BILLING} {ADMIN}".split()),
}


def keep_jobs(*, using: str, **_: Any) -> None:
    """Create or update the groups of JOBS with exactly their permissions.

    Runs after every `migrate`, if the table of groups exists. Other groups are not
    changed. Safe to repeat. Raises LookupError for a permission that no model defines.
    """
    if "auth_group" not in connections[using].introspection.table_names():
        return
    for label in {name.partition(".")[0] for name in _all_permissions()}:
        config: AppConfig = apps.get_app_config(label)
        create_permissions(config, verbosity=0, interactive=False, using=using)
    group_model = apps.get_model("auth", "Group")
    ids = _permission_ids(using)
    for job, names in JOBS.items():
        group, _created = group_model.objects.using(using).get_or_create(name=job)
        group.permissions.set([ids[name] for name in names])


def _all_permissions() -> set[str]:
    return {name for names in JOBS.values() for name in names}


def _permission_ids(using: str) -> dict[str, int]:
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    rows = permissions.values_list("content_type__app_label", "codename", "pk")
    ids = {f"{app}.{codename}": pk for app, codename, pk in rows}
    if unknown := _all_permissions() - ids.keys():
        raise LookupError(
            f"No model defines these permissions of JOBS: {', '.join(sorted(unknown))}."
        )
    return ids
