//! The story that `cargo demo` plays, scene by scene, over the house of [`crate::house`].
//!
//! Nothing in it is acted: each scene calls real processes, and what it prints comes out of their answers and their
//! logs. A step that goes differently than told is marked, and the demo then exits with 1.

mod scenes;
mod stage;

use std::env;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::scenes::Scenes;
use self::stage::Stage;
use crate::house::House;

/// Plays the story; with `keep`, leaves the house up until Ctrl-C.
#[must_use]
pub fn main(keep: bool) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("error: no runtime can be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(play(keep)) {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn play(keep: bool) -> Result<ExitCode> {
    let begin = Instant::now();
    let mut signals = Signals::listen()?;
    let mut stage = Stage::default();
    let program = env::current_exe().context("this program does not know where it is")?;
    let mut scenes = Scenes::new(House::new(&program)?);

    stage.opening(
        "A running house",
        "One CA, five certificates, four services over mutual TLS, and one order that must not get lost.",
    );
    // Leaving early drops the house, and with it every process and the temporary folder with its keys.
    tokio::select! {
        told = story(&mut scenes, &mut stage) => told?,
        signal = signals.next() => {
            complain(&format!("stopped by {signal}"));
            return Ok(ExitCode::from(130));
        }
    }
    if keep {
        scenes.stay(&mut stage, &program)?;
        signals.next().await;
    }
    scenes.everything_stops(&mut stage).await?;
    Ok(match stage.closing(begin.elapsed()) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

async fn story(scenes: &mut Scenes, stage: &mut Stage) -> Result<()> {
    scenes.certificates(stage).await?;
    scenes.services(stage).await?;
    scenes.order_succeeds(stage).await?;
    scenes.order_is_invalid(stage).await?;
    scenes.strangers_are_refused(stage).await?;
    scenes.shipping_is_down(stage).await?;
    scenes.budget_is_too_small(stage).await
}

/// What asks this program to end: Ctrl-C, a polite kill, and the terminal's window being closed.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("signals cannot be listened for");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "Ctrl-C",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.hang_up.recv() => "SIGHUP",
        }
    }
}

fn complain(sentence: &str) {
    let _ = writeln!(anstream::stderr(), "{sentence}");
}
