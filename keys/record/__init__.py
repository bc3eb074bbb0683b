"""The one reader of the record of calls, as the signed-in principal, for the audit pages, a key's tabs, and lessons."""
