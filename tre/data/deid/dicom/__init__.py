"""DICOM images: each attribute as the standard's confidentiality profile says, each pixel as it was."""
