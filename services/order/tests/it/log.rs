//! What the log says of an order.

use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::{World, request};

/// The events of this crate, each with its fields as `name=value`.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Vec<String>>>>);

struct Fields(Vec<String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push(format!("{}={value:?}", field.name()));
    }
}

impl Subscriber for Heard {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("order::") && metadata.is_event()
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(Vec::new());
        event.record(&mut fields);
        self.0.lock().expect("no panic").push(fields.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn a_step_that_leaves_nothing_to_say_is_logged_without_a_note() {
    let heard = Heard::default();
    let _listening = tracing::subscriber::set_default(heard.clone());
    let world = World::new();
    let process = world.start();
    process.create(request("k")).await.expect("taken");

    let events = heard.0.lock().expect("no panic");
    let steps: Vec<_> = events
        .iter()
        .filter(|fields| fields.contains(&"message=an order went on".to_owned()))
        .collect();
    assert!(steps.len() >= 2, "charged and shipped: {events:?}");
    for step in steps {
        assert!(!step.iter().any(|f| f.starts_with("note=")), "{step:?}");
    }
}
