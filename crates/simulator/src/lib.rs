//! vimsim-simulator
