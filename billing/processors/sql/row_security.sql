-- Members see which processors there are, and no secret of theirs.

REVOKE ALL ON billing_paymentprocessor FROM :"member_role";
GRANT SELECT (id, code, kind, url, rotated_at, caught_up_to, reconciled_through, added_by,
              added_at)
    ON billing_paymentprocessor TO :"member_role";
