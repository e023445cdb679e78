//! Where passphrases come from: a file, an open file descriptor, the environment, and last the terminal. Never an
//! argument: those are seen by every process of the machine.
