"""Which series of a study is measured, and who may be screened: every rule a named row with its reason."""
