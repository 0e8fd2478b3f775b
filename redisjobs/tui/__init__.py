"""`redisjobs top`: what stands in Redis as rows and frames, live; thin over the inspector."""
