//! How the story looks: titles, lines, small tables and marks, in colour on a terminal and plain elsewhere.

use anstream::{print, println};
use anstyle::{AnsiColor, Style};

const TITLE: Style = AnsiColor::Cyan.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();
const STRONG: Style = Style::new().bold();

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
        println!("\n{TITLE}{title}{TITLE:#}");
        println!("{DIM}{text}{DIM:#}");
    }

    /// Begins a scene.
    pub(crate) fn scene(&mut self, title: &str) {
        self.scene += 1;
        println!("\n{TITLE}{}. {title}{TITLE:#}", self.scene);
    }

    /// A sentence of the story.
    pub(crate) fn say(&self, text: &str) {
        for line in text.lines() {
            println!("   {line}");
        }
    }

    /// What a program printed, or what a person could type.
    pub(crate) fn quote(&self, text: &str) {
        for line in text.lines() {
            println!("   {DIM}│{DIM:#} {line}");
        }
    }

    /// A named value.
    pub(crate) fn fact(&self, name: &str, value: &str) {
        println!("   {DIM}{name:<20}{DIM:#} {STRONG}{value}{STRONG:#}");
    }

    /// A step that must go as told: a green mark when it did, a red one and a failed demo when it did not.
    pub(crate) fn check(&mut self, told: &str, went: bool, instead: impl FnOnce() -> String) {
        self.checks += 1;
        if went {
            println!("   {GOOD}✓{GOOD:#} {told}");
        } else {
            let instead = instead();
            println!("   {BAD}✗ {told}{BAD:#}: {instead}");
            self.broken
                .push(format!("scene {}: {told}: {instead}", self.scene));
        }
    }

    /// A bar as long as `share` of the whole, for a table of durations.
    pub(crate) fn bar(&self, name: &str, share: f64, label: &str) {
        let width = (share.clamp(0.0, 1.0) * 32.0).round();
        let filled = (0..32).filter(|at| f64::from(*at) < width).count();
        print!("   {name:<30} {GOOD}{}{GOOD:#}", "█".repeat(filled));
        println!("{DIM}{}{DIM:#} {label}", "·".repeat(32 - filled));
    }

    /// How many steps were checked, and those that went differently.
    pub(crate) fn verdict(&self) -> (u32, &[String]) {
        (self.checks, &self.broken)
    }
}
