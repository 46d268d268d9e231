//! What people type, or copy from paper: recovery words, moments; and what lies beside a store,
//! where people may write, too.

use kernelos_protocol::beside::{hints_read, hints_text, members_read, members_text};
use kernelos_protocol::present::{moment, utc};
use kernelos_protocol::recovery::{file_text, key_of, words};
use kernelos_protocol::time::Stamp;

/// The last second that is written with a year of four digits, in microseconds.
const YEARS_END: u64 = 253_402_300_799_000_000;

/// A text as it is; and the words of a key of these bytes, with one of them another's.
pub(super) fn recovery(input: &[u8]) {
    std::str::from_utf8(input).map(is_the_key_of_its_words).ok();
    let mut key = [0; 32];
    key.iter_mut().zip(input).for_each(|(to, from)| *to = *from);
    let told = words(&key).unwrap();
    assert_eq!(key_of(&told), Ok(key));
    assert_eq!(key_of(&file_text("w", &key).unwrap()), Ok(key));
    let others = words(&std::array::from_fn(|at| !key[at])).unwrap();
    let mut list: Vec<_> = told.split(' ').collect();
    let at = input.get(32).map_or(0, |byte| usize::from(*byte) % list.len());
    list[at] = others.split(' ').nth(at).unwrap();
    is_the_key_of_its_words(&list.join("\n"));
    list.remove(at);
    assert!(key_of(&list.join(" ")).is_err());
}

/// A key that is read has these words, and no others.
fn is_the_key_of_its_words(text: &str) {
    let Ok(key) = key_of(text) else { return };
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let said: Vec<_> = lines.flat_map(str::split_whitespace).map(str::to_lowercase).collect();
    assert_eq!(words(&key).unwrap(), said.join(" "));
}

/// A text beside a store: what is read of it is written as it is read again.
pub(super) fn beside(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Some(members) = members_read(text) {
        assert_eq!(members_read(&members_text(members.iter())), Some(members));
    }
    if let Some(begun) = hints_read(text) {
        assert_eq!(hints_read(&hints_text(begun)), Some(begun));
    }
}

/// When it is, and what is typed then.
pub(super) fn moment_typed(input: &[u8]) {
    let Some((now, text)) = input.split_first_chunk() else { return };
    let (now, Ok(text)) = (Stamp(u64::from_be_bytes(*now)), std::str::from_utf8(text)) else {
        return;
    };
    let named = moment(text, now);
    assert_eq!(moment(&format!(" {text}\n"), now), named);
    let Some(named) = named else { return };
    assert!(!text.trim_end().ends_with("ago") || named <= now);
    if named.0 <= YEARS_END {
        let second = Stamp(named.0 - named.0 % 1_000_000);
        assert_eq!(moment(&utc(named), now), Some(second), "it is read as it is shown");
    }
}
