//! A recovery key as people keep it: 24 words (BIP 39), on paper or in a file.

use crate::command::{Failure, FailureKind};
use bip39::Mnemonic;

/// Words of a key of 32 bytes with its checksum.
const WORDS: usize = 24;

/// The words of a recovery key.
pub fn words(key: &[u8; 32]) -> Result<String, Failure> {
    let mnemonic = Mnemonic::from_entropy(key)
        .map_err(|error| Failure::new(FailureKind::Failed, format!("recovery words: {error}")))?;
    Ok(mnemonic.to_string())
}

/// The text of a recovery file.
pub fn file_text(workspace: &str, key: &[u8; 32]) -> Result<String, Failure> {
    Ok(format!(
        "# Recovery key of the KernelOS workspace {workspace}.\n\
         # Who has these words can take the workspace over: keep them off every device.\n\
         {}\n",
        words(key)?
    ))
}

/// The key that a recovery file, or a paper's words, holds: lines that begin with `#` say nothing.
pub fn key_of(text: &str) -> Result<[u8; 32], Failure> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    // One more than there may be: whatever else is given is not looked at.
    let words = lines.flat_map(str::split_whitespace).take(WORDS + 1).map(str::to_lowercase);
    let words: Vec<String> = words.collect();
    let fault = |what: String| {
        Failure::new(FailureKind::Usage, format!("this is no recovery key: {what}"))
            .with_hint("it is 24 words, in the order in which they were shown")
    };
    if words.len() > WORDS {
        return Err(fault(format!("more than {WORDS} words")));
    }
    if words.len() < WORDS {
        return Err(fault(format!("{} words", words.len())));
    }
    let mnemonic = Mnemonic::parse_normalized(&words.join(" "));
    let entropy = mnemonic.map_err(|error| fault(error.to_string()))?.to_entropy();
    entropy.try_into().map_err(|_| fault("of another length".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_give_the_key_back() {
        let key = [0xa7; 32];
        let words = words(&key).unwrap();
        assert_eq!(words.split(' ').count(), 24);
        assert_eq!(words.parse::<Mnemonic>().unwrap().to_entropy(), key);
        assert_eq!(key_of(&file_text("w", &key).unwrap()), Ok(key));
        assert_eq!(key_of(&words.to_uppercase().replace(' ', "\n")), Ok(key));
    }

    #[test]
    fn what_is_no_recovery_key_is_told_why() {
        let words = words(&[0xa7; 32]).unwrap();
        let (first, rest) = words.split_once(' ').unwrap();
        let swapped = format!("{rest} {first}");
        for (text, why) in [
            (rest, "23 words"),
            (&format!("{words} {rest}"), "more than 24 words"),
            (&swapped, "checksum"),
            (&words.replacen(first, "kernelos", 1), "unknown word"),
            ("", "0 words"),
        ] {
            let told = key_of(text).unwrap_err().message;
            assert!(told.contains(why), "{told:?} does not say {why:?}");
        }
    }
}
