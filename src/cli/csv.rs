//! Tables as text (RFC 4180): what spreadsheets read and write.

use std::fmt::Write;

/// Why a table cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CsvError {
    /// A quotation mark in the middle of a field, or one that is never closed.
    #[error("line {0}: a quotation mark is out of place")]
    Quote(usize),
    /// More or fewer fields than the head has.
    #[error("line {0}: {1} fields, but the first line has {2}")]
    Width(usize, usize, usize),
    /// Nothing at all.
    #[error("the first line must name the columns")]
    Empty,
}

/// A row of a table, and on which line it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) line: usize,
    pub(super) fields: Vec<String>,
}

/// The head of a table and its rows, all as wide as the head. Empty lines are skipped.
pub(super) fn parse(text: &str) -> Result<(Vec<String>, Vec<Row>), CsvError> {
    let mut rows = rows(text.strip_prefix('\u{feff}').unwrap_or(text))?.into_iter();
    let head = rows.next().ok_or(CsvError::Empty)?.fields;
    let rows: Vec<Row> = rows.collect();
    match rows.iter().find(|row| row.fields.len() != head.len()) {
        Some(row) => Err(CsvError::Width(row.line, row.fields.len(), head.len())),
        None => Ok((head, rows)),
    }
}

fn rows(text: &str) -> Result<Vec<Row>, CsvError> {
    let mut rows = Vec::new();
    let mut line = 1;
    let mut row = Row { line, fields: Vec::new() };
    let mut field = String::new();
    // Whether the field was quoted; what stands behind its end is no part of it.
    let mut was_quoted = false;
    let mut characters = text.chars().peekable();
    loop {
        match characters.next() {
            Some('"') if field.is_empty() && !was_quoted => {
                let opened = line;
                was_quoted = true;
                loop {
                    match characters.next() {
                        Some('"') if characters.next_if_eq(&'"').is_some() => field.push('"'),
                        Some('"') => break,
                        Some(other) => {
                            line += usize::from(other == '\n');
                            field.push(other);
                        }
                        None => return Err(CsvError::Quote(opened)),
                    }
                }
            }
            Some('"') => return Err(CsvError::Quote(line)),
            Some(',') => {
                row.fields.push(std::mem::take(&mut field));
                was_quoted = false;
            }
            Some('\r') if characters.peek() == Some(&'\n') => {}
            end @ (Some('\n') | None) => {
                if !row.fields.is_empty() || !field.is_empty() || was_quoted {
                    row.fields.push(std::mem::take(&mut field));
                    rows.push(row);
                }
                if end.is_none() {
                    return Ok(rows);
                }
                line += 1;
                row = Row { line, fields: Vec::new() };
                was_quoted = false;
            }
            Some(_) if was_quoted => return Err(CsvError::Quote(line)),
            Some(other) => field.push(other),
        }
    }
}

/// One line of a table.
pub(super) fn line<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    let mut line = String::new();
    for (at, field) in fields.into_iter().enumerate() {
        let separator = if at == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = if field.contains([',', '"', '\n', '\r']) {
            write!(line, "{separator}\"{}\"", field.replace('"', "\"\""))
        } else {
            write!(line, "{separator}{field}")
        };
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(text: &str) -> Vec<Vec<String>> {
        let (head, rows) = parse(text).unwrap();
        std::iter::once(head).chain(rows.into_iter().map(|row| row.fields)).collect()
    }

    #[test]
    fn quoted_fields_hold_anything() {
        assert_eq!(
            fields("\u{feff}a,b\r\n\"x, \"\"y\"\"\n2\",\r\n\r\n,\"\"\n"),
            [vec!["a", "b"], vec!["x, \"y\"\n2", ""], vec!["", ""]]
        );
    }

    #[test]
    fn what_is_ambiguous_is_refused_with_its_line() {
        assert_eq!(parse("a\n\n\"x").unwrap_err(), CsvError::Quote(3));
        assert_eq!(parse("a\nx\"y\"").unwrap_err(), CsvError::Quote(2));
        assert_eq!(parse("a\n\"x\"y").unwrap_err(), CsvError::Quote(2));
        assert_eq!(parse("a,b\n\"1\n2\",3\n4").unwrap_err(), CsvError::Width(4, 1, 2));
        assert_eq!(parse("\n").unwrap_err(), CsvError::Empty);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(table in prop::collection::vec(prop::collection::vec("[^\u{0}\r\u{feff}]{0,9}", 2), 1..5)) {
            let text: String = table.iter().map(|row| line(row.iter().map(String::as_str)) + "\r\n").collect();
            prop_assert_eq!(fields(&text), table);
        }
    }
}
