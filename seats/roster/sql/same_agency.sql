-- A row never names an agent or a seat of another agency.
--
-- Keys of two columns, which Django does not express; the unique keys that they refer to
-- are in the models.

ALTER TABLE seats_seat
    DROP CONSTRAINT IF EXISTS seat_is_held_within_its_agency,
    ADD CONSTRAINT seat_is_held_within_its_agency
        FOREIGN KEY (agency_id, agent_id) REFERENCES seats_agent (agency_id, id);

ALTER TABLE seats_seatholding
    DROP CONSTRAINT IF EXISTS holding_names_the_agency_of_its_seat,
    ADD CONSTRAINT holding_names_the_agency_of_its_seat
        FOREIGN KEY (agency_id, seat_id) REFERENCES seats_seat (agency_id, id),
    DROP CONSTRAINT IF EXISTS holding_names_the_agency_of_its_agent,
    ADD CONSTRAINT holding_names_the_agency_of_its_agent
        FOREIGN KEY (agency_id, agent_id) REFERENCES seats_agent (agency_id, id);

ALTER TABLE seats_seatversion
    DROP CONSTRAINT IF EXISTS version_names_the_agency_of_its_seat,
    ADD CONSTRAINT version_names_the_agency_of_its_seat
        FOREIGN KEY (agency_id, seat_id) REFERENCES seats_seat (agency_id, id),
    DROP CONSTRAINT IF EXISTS version_names_the_agency_of_its_agent,
    ADD CONSTRAINT version_names_the_agency_of_its_agent
        FOREIGN KEY (agency_id, agent_id) REFERENCES seats_agent (agency_id, id);
