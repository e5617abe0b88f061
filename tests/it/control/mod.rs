//! The control plane from outside: what is asked over the socket, and what the answers are worth.

mod barrier;
mod hostile;
mod tcp;
pub(crate) mod wire;
