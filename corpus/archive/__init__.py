"""Reading web archives (WARC) from any bytes: whole files, ranges of them, and damaged ones.

window.py    bytes in order, with a buffer to look ahead in
inflate.py   the bytes of one gzip member, and what is wrong with it
head.py      the header of a WARC record, and where the next one stands
members.py   where an archive may be cut
records.py   the records and faults of a byte range
http.py      status, fields and decoded body of an HTTP response
pages.py     which records are pages, and why the others are not
"""
