-- A processor keeps its code and kind, which payments name; its address and keys rotate.

REVOKE ALL ON billing_paymentprocessor FROM :"app_role";
GRANT SELECT, INSERT, UPDATE (url, sealed_sending, sealed_receiving, caught_up_to,
    rotated_at, sealed_receiving_before, sealed_sending_before, reconciled_through)
    ON billing_paymentprocessor TO :"app_role";
