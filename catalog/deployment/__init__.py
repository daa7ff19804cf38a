"""Files that deploy images: which images they name, and the same names with the digests that were locked.

Pure: text in, text out. Read are Compose files, Kubernetes objects, kustomizations and Dockerfiles. A *mention* is one place in
such a file that names an image, with its position in the text, so that a rewritten file differs in these places only.
"""
