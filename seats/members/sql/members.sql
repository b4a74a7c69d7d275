-- A member that is an agent is an agent of that agency.

ALTER TABLE seats_member
    DROP CONSTRAINT IF EXISTS member_is_an_agent_of_the_agency,
    ADD CONSTRAINT member_is_an_agent_of_the_agency
        FOREIGN KEY (agency_id, agent_id) REFERENCES seats_agent (agency_id, id);
