//! vimsim-testkit
