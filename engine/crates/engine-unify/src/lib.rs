//! Empty on purpose; the manifest is the point: see its head.
