//! Who may call what: rules by method and identity, and the layer that applies them in front of a server's routes.
//!
//! The rules are data. A method that no rule speaks of is for nobody, and so is one whose list is empty. A rule for one
//! method outweighs the rule for its whole service. Nothing here says to a caller who would have been allowed.

mod layer;
mod policy;

pub use layer::{Authorization, AuthorizationLayer, Refusal};
pub use policy::{Policy, PolicyError};
