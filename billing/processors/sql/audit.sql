-- Payment processors, without their secrets; how far one was read is no change.

SELECT audit_table(
    'billing_paymentprocessor', 'id', '', '', '{code}',
    '{sealed_sending,sealed_receiving,sealed_sending_before,sealed_receiving_before}',
    '{caught_up_to,reconciled_through}');
