-- The e-mail address of a user stands at the user alone.
--
-- The tables are those of the accounts library, which asks for them and may clear them.

REVOKE ALL ON account_emailaddress, account_emailconfirmation FROM :"app_role";
GRANT SELECT, DELETE ON account_emailaddress, account_emailconfirmation TO :"app_role";
