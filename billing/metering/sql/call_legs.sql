-- What a leg says stays as it was read, since it decides what its call counts; only the
-- decision moves. A leg that is not decided yet stays.

REVOKE ALL ON billing_conversationleg FROM :"app_role";
GRANT SELECT, INSERT, DELETE, UPDATE (state, reason, event, agent, version)
    ON billing_conversationleg TO :"app_role";

CREATE OR REPLACE FUNCTION conversation_leg_waits() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the call leg % is not decided yet', OLD.leg
        USING ERRCODE = 'check_violation', CONSTRAINT = 'conversation_leg_waits';
END $$;

CREATE OR REPLACE TRIGGER conversation_leg_waits
    BEFORE DELETE ON billing_conversationleg
    FOR EACH ROW WHEN (OLD.state = 'waiting')
    EXECUTE FUNCTION conversation_leg_waits();
