"""Who may do what with a key, worked out from what the API tells: policies are read through boto3 as the signed-in principal
(GetAccountAuthorizationDetails, GetKeyPolicy, ListGrants) and put to the engine's pure decision. Nothing here has more rights than
whoever looks, and it works with any endpoint.

principal_directory.py  the account's principals with their compiled policies
key_view.py             one key's policy, grants and metadata, as decisions need them
key_policy_cache.py     every key's, for "which keys can this principal use"
condition_context.py    condition keys that are known of a principal and a key before there is a request
operations.py           what can be asked of a key: one row an operation
question.py             a question as its address says it
decisions.py            the answer for a principal, an operation and a key; yes, no, or "depends on the request"
whatif.py               what another text of an IAM policy would change, for whom
explanation.py          a decision in words, and the smallest statement that would allow what is denied
"""
