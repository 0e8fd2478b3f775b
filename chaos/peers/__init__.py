"""Other job processors, each in its best documented setting for reliability, put through the same scenarios."""
