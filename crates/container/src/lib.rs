//! vimsim-container
