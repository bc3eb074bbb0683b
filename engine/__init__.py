"""The embedded AWS-compatible key service: KMS, the IAM and STS around it, and CloudTrail's records. It knows no page."""
