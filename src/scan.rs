//! Finds markers in text that arrives in pieces.
