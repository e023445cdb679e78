//! THE server stack: everything between a connection and a handler, on one screen.

mod services;
mod shutdown;

pub use self::services::Services;
pub use self::shutdown::{Shutdown, Stop};
