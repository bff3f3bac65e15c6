//! Text in columns.

use crate::model::text::is_unseen;

/// The widest line of a table, in characters.
const WIDEST: usize = 100;
/// Between two columns.
const GAP: usize = 2;
/// What stands for the end of a cell that was cut.
const CUT: char = '…';

/// The rows below their header, in columns as wide as their widest cell. Where that is too wide, the widest column
/// but the first, which names the row, is cut.
pub(super) fn table<const COLUMNS: usize>(
    header: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) -> String {
    let rows: Vec<_> = std::iter::once(header.map(ToOwned::to_owned))
        .chain(rows.into_iter().map(|row| row.map(|cell| visible(&cell))))
        .collect();
    let width = |cell: &str| cell.chars().count();
    let mut widths: [usize; COLUMNS] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| width(&row[column]));
        cells.max().unwrap_or(0)
    });
    let line = widths.iter().sum::<usize>() + GAP * COLUMNS.saturating_sub(1);
    if let Some(widest) = widths.iter_mut().skip(1).max() {
        *widest -= line.saturating_sub(WIDEST).min(widest.saturating_sub(1));
    }
    rows.iter()
        .map(|row| {
            let padded = row
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{:width$}", cut(cell, width)));
            let line = padded.collect::<Vec<_>>().join("  ");
            format!("{}\n", line.trim_end())
        })
        .collect()
}

fn cut(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return cell.to_owned();
    }
    let kept = cell.chars().take(width.saturating_sub(1));
    kept.chain([CUT]).collect()
}

/// The text without what a terminal obeys or does not show: whoever chooses a name could otherwise change what
/// is read beside it.
pub(super) fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unseen(character) {
            visible.extend(character.escape_unicode());
        } else {
            visible.push(character);
        }
    }
    visible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_100_columns_and_keeps_what_names_a_row() {
        let id = format!("accounts/{}", "1".repeat(36));
        let row = [id.clone(), "ä".repeat(200), "administrator".to_owned()];
        let text = table(["ACCOUNT", "EMAIL", "STATE"], [row]);
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
        let line = text.lines().last().unwrap();
        assert!(
            line.starts_with(&id) && line.contains("ä…  administrator"),
            "{line}"
        );
    }

    #[test]
    fn a_name_cannot_change_what_stands_beside_it() {
        for (name, shown) in [
            ("Zoë Ångström 李", "Zoë Ångström 李"),
            ("a\n\u{1b}[2Jb", "a\\u{a}\\u{1b}[2Jb"),
            ("\u{7f}\u{9b}", "\\u{7f}\\u{9b}"),
            ("\u{202e}adA", "\\u{202e}adA"),
            (
                "\u{61c}\u{200b}\u{2028}\u{2066}\u{feff}",
                "\\u{61c}\\u{200b}\\u{2028}\\u{2066}\\u{feff}",
            ),
        ] {
            let lines = table(["NAME", "LAST"], [[name.to_owned(), "yes".to_owned()]]);
            let width = shown.chars().count().max(4);
            assert_eq!(
                lines,
                format!("{:width$}  LAST\n{shown:width$}  yes\n", "NAME")
            );
        }
    }
}
