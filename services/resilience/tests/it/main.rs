//! What the layers promise, each promise a sentence. Time is paused, jitter is none or seeded, connections are in memory.

mod attempt_timeout;
mod breaker_function;
mod breaker_layer;
mod breaker_vectors;
mod client_deadline;
mod configuration;
mod retry_layer;
mod retry_vectors;
mod server_deadline;
mod statements;
mod support;
mod three_hops;
