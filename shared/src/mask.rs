//! Masks: `6***************34`, `139****5678`, age instead of a birth date.
