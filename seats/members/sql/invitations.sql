-- An invitation keeps what it offered; it is accepted or revoked, and nothing else changes.

REVOKE ALL ON seats_invitation FROM :"app_role";
GRANT SELECT, INSERT, UPDATE (accepted_at, accepted_by_id, revoked_at)
    ON seats_invitation TO :"app_role";

-- An invited agent is an agent of that agency, as a member's is.
ALTER TABLE seats_invitation
    DROP CONSTRAINT IF EXISTS invitation_agent_of_agency,
    ADD CONSTRAINT invitation_agent_of_agency
        FOREIGN KEY (agency_id, agent_id) REFERENCES seats_agent (agency_id, id);
