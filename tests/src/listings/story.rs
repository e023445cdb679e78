//! The story that a listing tells: one line per event, with the time since its scene began, printed as it happens.
//!
//! Servers run in tasks of their own and cannot share a `&mut dyn Write`; each gets a [`Teller`], and the [`Story`]
//! prints what they say while it waits for the scene to end. Times are tokio's, so a test with a paused clock gets
//! the same lines as a person, to the millisecond.

use std::fmt;
use std::future::Future;
use std::io::{self, Write};
use std::pin::pin;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tonic::Code;

/// What an event means to the reader; decides its colour on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Something happened.
    Plain,
    /// It went well.
    Good,
    /// It failed, or was refused.
    Bad,
    /// Something changed for all that follows, such as the state of a circuit breaker.
    Change,
}

/// Where a listing's events are printed.
pub struct Story<'a> {
    out: &'a mut dyn Write,
    scene: Instant,
    events: UnboundedReceiver<Event>,
    // Kept so that `events` never ends while the story is told.
    teller: Teller,
}

/// Hands events to the story from wherever they happen.
#[derive(Clone, Debug)]
pub struct Teller {
    events: UnboundedSender<Event>,
}

#[derive(Debug)]
struct Event {
    at: Instant,
    who: &'static str,
    mood: Mood,
    text: String,
}

// === impl Story ===

impl<'a> Story<'a> {
    /// Begins a story on `out` with its title.
    pub fn begin(out: &'a mut dyn Write, number: &str, title: &str) -> io::Result<Self> {
        let bold = Style::new().bold();
        writeln!(out, "{bold}{number}  {title}{bold:#}")?;
        let (sender, events) = unbounded_channel();
        Ok(Self {
            out,
            scene: Instant::now(),
            events,
            teller: Teller { events: sender },
        })
    }

    /// For those who have something to tell.
    pub fn teller(&self) -> Teller {
        self.teller.clone()
    }

    /// Opens a scene: prints what it is about and sets the clock to zero.
    pub fn scene(&mut self, about: &str) -> io::Result<()> {
        self.drain()?;
        writeln!(self.out, "\n{about}")?;
        self.out.flush()?;
        self.scene = Instant::now();
        Ok(())
    }

    /// Prints events until `scene` ends, and gives back its result.
    pub async fn tell<F: Future>(&mut self, scene: F) -> io::Result<F::Output> {
        let mut scene = pin!(scene);
        let output = loop {
            tokio::select! {
                // Events first: what happened before the end is printed before it.
                biased;
                Some(event) = self.events.recv() => print(self.out, self.scene, &event)?,
                output = &mut scene => break output,
            }
        };
        self.drain()?;
        Ok(output)
    }

    /// Prints a line that no one says: a conclusion, a table, a command.
    pub fn note(&mut self, line: impl fmt::Display) -> io::Result<()> {
        self.drain()?;
        writeln!(self.out, "  {line}")?;
        self.out.flush()
    }

    /// Prints a command as a person would type it, and what it stands for.
    pub fn command(&mut self, command: &str, stands_for: &str) -> io::Result<()> {
        self.drain()?;
        let (bold, dim) = (Style::new().bold(), Style::new().dimmed());
        writeln!(
            self.out,
            "\n{bold}$ {command}{bold:#}  {dim}# in place of {stands_for}{dim:#}"
        )?;
        self.out.flush()
    }

    /// Ends the story with what it has shown.
    pub fn moral(&mut self, text: &str) -> io::Result<()> {
        self.drain()?;
        let italic = Style::new().italic();
        writeln!(self.out, "\n{italic}{text}{italic:#}")?;
        self.out.flush()
    }

    fn drain(&mut self) -> io::Result<()> {
        while let Ok(event) = self.events.try_recv() {
            print(self.out, self.scene, &event)?;
        }
        Ok(())
    }
}

fn print(out: &mut dyn Write, scene: Instant, event: &Event) -> io::Result<()> {
    let dim = Style::new().dimmed();
    let name = Style::new().bold();
    let mood = match event.mood {
        Mood::Plain => Style::new(),
        Mood::Good => Style::new().fg_color(Some(AnsiColor::Green.into())),
        Mood::Bad => Style::new().fg_color(Some(AnsiColor::Red.into())),
        Mood::Change => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
    };
    let at = event.at.saturating_duration_since(scene).as_secs_f64();
    let Event { who, text, .. } = event;
    writeln!(
        out,
        "  {dim}{at:>7.3} s{dim:#}  {name}{who:<9}{name:#} {mood}{text}{mood:#}"
    )?;
    out.flush()
}

// === impl Teller ===

impl Teller {
    /// Something happened.
    pub fn tell(&self, who: &'static str, text: impl Into<String>) {
        self.event(who, Mood::Plain, text.into());
    }

    /// Something went well.
    pub fn good(&self, who: &'static str, text: impl Into<String>) {
        self.event(who, Mood::Good, text.into());
    }

    /// Something failed or was refused.
    pub fn bad(&self, who: &'static str, text: impl Into<String>) {
        self.event(who, Mood::Bad, text.into());
    }

    /// Something changed for all that follows.
    pub fn change(&self, who: &'static str, text: impl Into<String>) {
        self.event(who, Mood::Change, text.into());
    }

    fn event(&self, who: &'static str, mood: Mood, text: String) {
        // A story that has ended no longer listens; what a server says after it is of no interest to anyone.
        let _ = self.events.send(Event {
            at: Instant::now(),
            who,
            mood,
            text,
        });
    }
}

/// A length of time as a person writes it: `250 ms`, `2 s`, `2.995 s`.
pub fn length(duration: Duration) -> String {
    let milliseconds = (duration.as_secs_f64() * 1000.0).round();
    if milliseconds < 1000.0 {
        format!("{milliseconds} ms")
    } else {
        format!("{} s", milliseconds / 1000.0)
    }
}

/// A gRPC code by its name: `DEADLINE_EXCEEDED`.
pub fn code_name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_names_of_the_specification() {
        assert_eq!(code_name(Code::Ok), "OK");
        assert_eq!(code_name(Code::DeadlineExceeded), "DEADLINE_EXCEEDED");
    }

    #[test]
    fn lengths_read_as_a_person_writes_them() {
        assert_eq!(length(Duration::ZERO), "0 ms");
        assert_eq!(length(Duration::from_micros(49_600)), "50 ms");
        assert_eq!(length(Duration::from_millis(1000)), "1 s");
        assert_eq!(length(Duration::from_millis(2995)), "2.995 s");
        assert_eq!(length(Duration::from_secs(12)), "12 s");
    }

    #[tokio::test(start_paused = true)]
    async fn events_are_printed_in_order_with_the_time_since_the_scene_began() -> io::Result<()> {
        let mut out = anstream::StripStream::new(Vec::new());
        let mut story = Story::begin(&mut out, "0.0", "A test")?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        story.scene("Two friends talk.")?;
        let teller = story.teller();
        story
            .tell(async {
                teller.tell("anna", "says hello");
                tokio::time::sleep(Duration::from_millis(1500)).await;
                teller.good("bert", "answers");
            })
            .await?;
        assert_eq!(
            String::from_utf8_lossy(&out.into_inner()),
            "0.0  A test\n\nTwo friends talk.\n    0.000 s  anna      says hello\n    1.500 s  bert      answers\n"
        );
        Ok(())
    }
}
