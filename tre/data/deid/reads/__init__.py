"""Reads in BAM and CRAM: the header made anew from what is allowed, the reads as they were."""
