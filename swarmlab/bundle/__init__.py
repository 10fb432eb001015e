"""A lab in one file: made where the network is good, carried, checked and loaded where it is not.

A bundle is a ZIP file whose members are stored as they are: the images, compressed with zstd, the
package with all that it needs, and a list of both with checksums. `python3 FILE` installs the
package out of it, with nothing but Python.
"""
