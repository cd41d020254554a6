"""How many operations may wait for a worker after they have begun.

What has begun holds descriptors and buffers while it waits; what has not holds none. Beyond this
number, bulk work is put into its line as it is, and begins when a worker takes it. Short work
always begins at once.
"""

#: The most descriptors that a COPY holds between two steps: two parents, two roots, two descents
#: of 24 directories each (trees/descent.py), the directory that is read, and a file on either side.
DESCRIPTORS_EACH = 55

#: However many descriptors there are. Each that has begun was measured to hold 40 KiB of memory, of
#: which 32 are the buffer of the directory that is read; so this many hold about 10 MiB.
MOST_BEGUN = 256


def most_begun(descriptors: int) -> int:
    """Return how many, of a process that may have so many ``descriptors``: half of them for this.

    The other half is for connections, one each. Below 0 (RLIM_INFINITY): no limit of descriptors.
    """
    if descriptors < 0:
        return MOST_BEGUN
    return max(1, min(MOST_BEGUN, descriptors // 2 // DESCRIPTORS_EACH))
