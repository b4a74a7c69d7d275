-- No cent of a payment is spent twice: on invoices, in refunds or in disputes.
--
-- As the owner, because a lock on a row needs the privilege to change it. The lock makes
-- a concurrent refund, allocation or dispute wait, and then be counted.

CREATE OR REPLACE FUNCTION payment_is_spent_once() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    captured numeric;
    digits int;
    used numeric;
    back numeric;
    lost numeric;
    withheld numeric;
BEGIN
    IF NEW.payment_id IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT CASE WHEN reversed_at IS NULL THEN amount ELSE 0 END,
           currency_digits(currency) INTO captured, digits
        FROM billing_payment WHERE id = NEW.payment_id FOR NO KEY UPDATE;
    SELECT coalesce(sum(amount), 0) INTO used
        FROM billing_allocation WHERE payment_id = NEW.payment_id;
    SELECT coalesce(sum(amount), 0) INTO back
        FROM billing_refund WHERE payment_id = NEW.payment_id;
    SELECT coalesce(sum(amount) FILTER (WHERE state = 'lost'), 0),
           coalesce(sum(amount) FILTER (WHERE state = 'open'), 0)
        INTO lost, withheld
        FROM billing_dispute WHERE payment_id = NEW.payment_id;
    IF used < 0 OR used + back + lost > captured
       OR back + lost + withheld > captured
       OR scale(trim_scale(NEW.amount)) > digits THEN
        RAISE EXCEPTION 'a payment of % cannot cover % and give back %',
            captured, used, back + lost + withheld
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payment_is_spent_once';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER payment_is_allocated_once
    AFTER INSERT ON billing_allocation
    FOR EACH ROW EXECUTE FUNCTION payment_is_spent_once();

CREATE OR REPLACE TRIGGER payment_is_refunded_once
    AFTER INSERT ON billing_refund
    FOR EACH ROW EXECUTE FUNCTION payment_is_spent_once();
