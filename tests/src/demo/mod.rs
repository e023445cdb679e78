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
    runtime.block_on(async {
        // Ctrl-C drops the house, and with it every process and the temporary folder.
        tokio::select! {
            result = play(keep) => match result {
                Ok(true) => ExitCode::SUCCESS,
                Ok(false) => ExitCode::FAILURE,
                Err(error) => {
                    complain(&format!("error: {error:#}"));
                    ExitCode::FAILURE
                }
            },
            _ = tokio::signal::ctrl_c(), if !keep => {
                complain("stopped by Ctrl-C");
                ExitCode::from(130)
            }
        }
    })
}

async fn play(keep: bool) -> Result<bool> {
    let begin = Instant::now();
    let mut stage = Stage::default();
    let program = env::current_exe().context("this program does not know where it is")?;
    let mut scenes = Scenes::new(House::new(&program)?);

    stage.opening(
        "A running house",
        "One CA, five certificates, four services over mutual TLS, and one order that must not get lost.",
    );
    scenes.certificates(&mut stage).await?;
    scenes.services(&mut stage).await?;
    scenes.order_succeeds(&mut stage).await?;
    scenes.order_is_invalid(&mut stage).await?;
    scenes.strangers_are_refused(&mut stage).await?;
    scenes.shipping_is_down(&mut stage).await?;
    scenes.budget_is_too_small(&mut stage).await?;
    if keep {
        scenes.stay(&mut stage).await?;
    }
    scenes.everything_stops(&mut stage).await?;

    Ok(stage.closing(begin.elapsed()))
}

fn complain(sentence: &str) {
    let _ = writeln!(anstream::stderr(), "{sentence}");
}
