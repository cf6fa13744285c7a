//! Rows as columns of text that fit a terminal.

use std::fmt::Write;

/// Characters of one cell when there is room for more.
const CELL_MAX: usize = 48;
/// A column is not made narrower than this; what does not fit then is left out and named.
const CELL_MIN: usize = 8;
/// Between two columns.
const GAP: usize = 2;

/// A head and rows below it, at most `width` characters wide. Cells are cut, and where that is not
/// enough the last columns are left out and named below.
pub fn grid(head: &[String], rows: &[Vec<String>], width: Option<usize>) -> String {
    let cells: Vec<Vec<String>> = std::iter::once(head)
        .chain(rows.iter().map(Vec::as_slice))
        .map(|row| row.iter().map(|cell| one_line(cell)).collect())
        .collect();
    let mut widths: Vec<usize> = (0..head.len())
        .map(|column| {
            let lengths = cells.iter().filter_map(|row| row.get(column));
            lengths
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
                .min(CELL_MAX)
        })
        .collect();
    let shown = fit(&mut widths, width.unwrap_or(usize::MAX));
    let mut out = String::new();
    for row in &cells {
        let cells = row.iter().zip(&widths).take(shown);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{:<width$}", cut(cell, *width)))
            .collect();
        let _ = writeln!(out, "{}", line.join("  ").trim_end());
    }
    if shown < head.len() {
        let left_out = format!("… and {}", head[shown..].join(", "));
        let _ = writeln!(out, "{}", cut(&left_out, width.unwrap_or(usize::MAX)));
    }
    out
}

/// Makes the widest columns narrower until all fit, and says how many do.
fn fit(widths: &mut [usize], room: usize) -> usize {
    let needed =
        |widths: &[usize]| widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
    while needed(widths) > room {
        match widths.iter_mut().max().filter(|width| **width > CELL_MIN) {
            Some(widest) => *widest -= 1,
            None => break,
        }
    }
    let mut shown = widths.len();
    while shown > 1 && needed(&widths[..shown]) > room {
        shown -= 1;
    }
    shown
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r', '\t'], " ")
}

/// At most `most` characters, the last one a `…` when some are missing.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars()
        .take(most.saturating_sub(1))
        .chain(['…'])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|cell| (*cell).to_owned()).collect()
    }

    #[test]
    fn columns_stand_below_one_another() {
        let rows = [texts(&["1", "a\nb"]), texts(&["200", "c"])];
        assert_eq!(
            grid(&texts(&["id", "name"]), &rows, None),
            "id   name\n1    a b\n200  c\n"
        );
    }

    #[test]
    fn what_is_wider_than_the_terminal_is_cut_and_then_left_out() {
        let long = "abcdefghijklmnopqrstuvwxyz";
        let rows = [texts(&["1", long, long, "x"])];
        let head = texts(&["id", "first", "second", "third"]);
        for width in [80, 40, 24, 12, 3] {
            let text = grid(&head, &rows, Some(width));
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(width.max(CELL_MIN)), "{width}: {text}");
        }
        assert_eq!(
            grid(&head, &rows, Some(24)),
            "id  first     second\n1   abcdefg…  abcdefg…\n… and third\n"
        );
    }
}
