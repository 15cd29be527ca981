//! The property collector over a toy world: what is selected, what is told, and that both agree.

mod convergence;
mod filter_state;
mod selection;
mod toy;
