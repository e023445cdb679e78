//! How the story looks: titles, lines, small tables and marks, in colour on a terminal and plain elsewhere.

use std::io::Write as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};

const TITLE: Style = AnsiColor::Cyan.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();
const STRONG: Style = Style::new().bold();

/// A line of the story. Whoever closed the output has seen enough, and what was started still has to be stopped.
macro_rules! line {
    ($($part:tt)*) => {{
        let _ = writeln!(anstream::stdout(), $($part)*);
    }};
}

/// Where the story is told, and whether everything went as told so far.
#[derive(Default)]
pub(crate) struct Stage {
    scene: u32,
    checks: u32,
    broken: Vec<String>,
}

impl Stage {
    /// Opens the show.
    pub(crate) fn opening(&self, title: &str, text: &str) {
        line!("\n{TITLE}{title}{TITLE:#}");
        line!("{DIM}{text}{DIM:#}");
    }

    /// Begins a scene.
    pub(crate) fn scene(&mut self, title: &str) {
        self.scene += 1;
        line!("\n{TITLE}{}. {title}{TITLE:#}", self.scene);
    }

    /// A sentence of the story.
    pub(crate) fn say(&self, text: &str) {
        for line in text.lines() {
            line!("   {line}");
        }
    }

    /// What a program printed, or what a person could type.
    pub(crate) fn quote(&self, text: &str) {
        for line in text.lines() {
            line!("   {DIM}│{DIM:#} {line}");
        }
    }

    /// What a person can copy into a shell: in one line, with nothing in front of it.
    pub(crate) fn command(&self, text: &str) {
        line!("\n{STRONG}{text}{STRONG:#}\n");
    }

    /// A named value.
    pub(crate) fn fact(&self, name: &str, value: &str) {
        line!("   {DIM}{name:<20}{DIM:#} {STRONG}{value}{STRONG:#}");
    }

    /// A step that must go as told: a green mark when it did, a red one and a failed demo when it did not.
    pub(crate) fn check(&mut self, told: &str, went: bool, instead: impl FnOnce() -> String) {
        self.checks += 1;
        if went {
            line!("   {GOOD}✓{GOOD:#} {told}");
        } else {
            let instead = instead();
            line!("   {BAD}✗ {told}{BAD:#}: {instead}");
            self.broken
                .push(format!("scene {}: {told}: {instead}", self.scene));
        }
    }

    /// A bar as long as `share` of the whole, for a table of durations.
    pub(crate) fn bar(&self, name: &str, share: f64, label: &str) {
        let width = (share.clamp(0.0, 1.0) * 32.0).round();
        let filled = (0..32).filter(|at| f64::from(*at) < width).count();
        let (full, empty) = ("█".repeat(filled), "·".repeat(32 - filled));
        line!("   {name:<28} {GOOD}{full}{GOOD:#}{DIM}{empty}{DIM:#} {label}");
    }

    /// Closes the show; whether everything went as told.
    pub(crate) fn closing(&self, took: Duration) -> bool {
        let checks = self.checks;
        if self.broken.is_empty() {
            let took = took.as_secs_f64();
            line!(
                "\n{GOOD}All {checks} steps went as told{GOOD:#}, in {took:.1} s. Nothing is left running."
            );
            line!(
                "{DIM}Next: cargo demo --keep leaves the house up; cargo listing shows each pattern alone.{DIM:#}"
            );
        } else {
            line!(
                "\n{BAD}{} of {checks} steps went differently{BAD:#}:",
                self.broken.len()
            );
            for step in &self.broken {
                line!("  {step}");
            }
        }
        self.broken.is_empty()
    }
}
