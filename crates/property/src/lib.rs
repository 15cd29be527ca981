//! vimsim-property
