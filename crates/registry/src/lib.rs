//! vimsim-registry
