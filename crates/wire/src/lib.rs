//! vimsim-wire
