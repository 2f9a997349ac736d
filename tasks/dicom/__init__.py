"""The ground floor: what a DICOM instance says of itself, and how its pixels are decoded."""
