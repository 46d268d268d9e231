//! A recovery key as people keep it: 24 words (BIP 39), on paper or in a file.

use bip39::Mnemonic;
use kernelos_protocol::command::{Failure, FailureKind};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_give_the_key_back() {
        let key = [0xa7; 32];
        let words = words(&key).unwrap();
        assert_eq!(words.split(' ').count(), 24);
        assert_eq!(words.parse::<Mnemonic>().unwrap().to_entropy(), key);
        assert!(file_text("w", &key).unwrap().contains(&words));
    }
}
