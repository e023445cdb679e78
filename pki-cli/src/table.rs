//! Rows of cells for people, in columns that line up.

use std::io;

use anstyle::Style;

use crate::output::Output;

/// A piece of text in a colour. Escape what comes from a file with `pki::text` first.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(crate) fn new(text: impl std::fmt::Display, style: Style) -> Self {
        let text = text.to_string();
        Self { text, style }
    }

    pub(crate) fn plain(text: impl std::fmt::Display) -> Self {
        Self::new(text, Style::new())
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

/// Rows of cells. The last column is as wide as it likes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        self.rows.push(cells.into());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Prints the rows, indented by two.
    pub(crate) fn print(&self, output: &mut Output) -> io::Result<()> {
        let mut widths = Vec::new();
        for row in &self.rows {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.width().max(*width);
            }
        }
        for row in &self.rows {
            let mut line = String::new();
            let mut gap = 2;
            for (width, cell) in widths.iter().zip(row) {
                let Cell { text, style } = cell;
                line.push_str(&format!("{:gap$}{style}{text}{style:#}", ""));
                gap = width - cell.width() + 2;
            }
            output.line(line)?;
        }
        Ok(())
    }
}
