"""The file-system engine: copy, move, remove, stage and swap. Knows no HTTP and no WsgiDAV.

What a method does begins in the room that bears its name: ``copy``, ``move`` (``renaming`` within
one file system, ``across`` several), ``remove``, ``upload`` (PUT) and ``collection`` (MKCOL).
``share`` leads from a URL's segments to an entry, ``steps`` is the shape of all work. Below them:

    build, members, member     a copy: the whole, what is below a collection, one file
    ahead                      files that other threads copy meanwhile
    staging, purge, emptying   the hidden entry, the swap, and getting rid of what was replaced
    removable, mounts, statx   what stands in the way of a removal
    witness, changes, traces   what is told before names change: each kind, and how it is undone
    remains, orphans           what a crash left of it; what a loss of power left without a record
    content, attributes        bytes with their holes; modes, times, extended attributes
    descent, durability        walking with few descriptors; bringing it to the disk
    renames, system            system calls that Python lacks, and what is done without them
"""
