//! Hostile text made fit to be shown: bounded, and with nothing that hides or reorders.

use std::fmt::Write as _;

/// Characters that hide or reorder what a person reads (Unicode TR 36), line separators, and
/// those that mark nothing and show nothing.
pub(crate) fn is_unshowable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}')
}

/// `text` with what cannot be shown in visible form, cut after at most `most` bytes.
#[must_use]
pub fn shown(text: &str, most: usize) -> String {
    let mut out = String::with_capacity(text.len().min(most));
    for c in text.chars() {
        let start = out.len();
        if is_unshowable(c) {
            write!(out, "\\u{{{:x}}}", u32::from(c)).ok();
        } else {
            out.push(c);
        }
        if out.len() > most {
            out.truncate(start);
            out.push('…');
            break;
        }
    }
    out
}

/// `text`, which is showable, cut after at most `most` bytes.
pub(crate) fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push('…');
    }
    text
}

/// `bytes` made showable; what is no UTF-8 becomes a replacement character.
pub(crate) fn shown_bytes(bytes: &[u8], most: usize) -> String {
    let enough = bytes.get(..most.saturating_add(4)).unwrap_or(bytes);
    shown(&String::from_utf8_lossy(enough), most)
}
