"""DIMSE: archives that speak C-FIND, C-GET and C-MOVE. The only room that knows pynetdicom."""

from tasks.archive.dimse.peer import DimsePeer

__all__ = ["DimsePeer"]
