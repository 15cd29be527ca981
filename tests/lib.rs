//! Tests that drive a whole simulator from outside.
