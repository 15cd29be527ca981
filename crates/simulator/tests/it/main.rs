//! Behaviour tests, in one binary.

mod required;
