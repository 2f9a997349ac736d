"""The decoders, one file per family: what each needs, whether it is there, and one function that decodes."""
