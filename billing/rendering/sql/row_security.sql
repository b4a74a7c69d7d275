-- Members see the files of the documents that they see.

ALTER TABLE billing_documentfile ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS within_reach ON billing_documentfile;
CREATE POLICY within_reach ON billing_documentfile FOR SELECT TO :"member_role"
    USING (EXISTS (SELECT FROM billing_document AS parent
                   WHERE parent.id = document_id));
GRANT SELECT ON billing_documentfile TO :"member_role";
