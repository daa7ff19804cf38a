"""The pages, one a file: each has a frozen model and the function that makes it from a visit."""
