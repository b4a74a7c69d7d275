-- A budget of an agent is about an agent of its agency.
--
-- A key of two columns, which Django does not express.

ALTER TABLE billing_budget
    DROP CONSTRAINT IF EXISTS budget_agent_is_of_its_agency,
    ADD CONSTRAINT budget_agent_is_of_its_agency
        FOREIGN KEY (agency_id, agent_id) REFERENCES seats_agent (agency_id, id);
