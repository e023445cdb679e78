//! The exit codes of `order-client`: what a script may decide by. They follow the advice that the status carries, not
//! the code alone.

use std::process::ExitCode;

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: it was done. Of an order: it is paid, and shipped or on its way.
    Done,
    /// 1: it was not done, and repeating it changes nothing: there is no such order, the payment was refused, the price
    /// is another one, the service failed.
    GiveUp,
    /// 2: the command line is not understood.
    Usage,
    /// 3: fields of the request are wrong; each is named.
    Fix,
    /// 4: not now; the same command may work a little later.
    Later,
    /// 5: this certificate, or none, does not open the door.
    Access,
    /// 6: the time was up. The service may have done it all the same; the same command with the same key tells.
    Deadline,
    /// 7: the folder with the certificates or the address cannot be used.
    Setup,
}

impl Exit {
    /// Each with its number and its meaning, for `--help`.
    pub const HELP: &'static str = "\
Exit codes:
  0  done; of an order: it is paid, and shipped or on its way
  1  not done, and repeating it changes nothing
  2  the command line is not understood
  3  fields of the request are wrong; each is named
  4  not now; the same command may work a little later
  5  this certificate, or none, does not open the door
  6  the time was up; the same command with the same key tells what became of it
  7  the folder with the certificates or the address cannot be used";

    /// Its number.
    pub fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::GiveUp => 1,
            Self::Usage => 2,
            Self::Fix => 3,
            Self::Later => 4,
            Self::Access => 5,
            Self::Deadline => 6,
            Self::Setup => 7,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_is_explained_in_the_help() {
        for exit in [
            Exit::Done,
            Exit::GiveUp,
            Exit::Usage,
            Exit::Fix,
            Exit::Later,
            Exit::Access,
            Exit::Deadline,
            Exit::Setup,
        ] {
            let line = format!("\n  {}  ", exit.number());
            assert!(Exit::HELP.contains(&line), "{exit:?}");
        }
    }
}
