//! The keyring of a desktop session: keys under which the secrets of homes are sealed, kept by the
//! Secret Service of freedesktop.org, which opens with the person's login.
//!
//! An entry is never changed and never removed here: a file that was sealed under it, or a backup
//! of one, opens with nothing else. `SPEC: REST-5`

use kernelos_protocol::command::{Failure, FailureKind};
use zeroize::Zeroizing;

use crate::home::{Drawn, SealedBy};

/// A new key, in the keyring before this returns.
pub(super) async fn new() -> Result<SealedBy, Failure> {
    let drawn = Drawn::new()?;
    service::keep(&entry(&drawn.name), &drawn.key).await?;
    Ok(SealedBy::Keyring(drawn))
}

/// The key that a file names by its salt.
pub(super) async fn named(name: [u8; 32]) -> Result<SealedBy, Failure> {
    let key = service::take(&entry(&name)).await?;
    match <[u8; 32]>::try_from(key.as_slice()) {
        Ok(key) => Ok(SealedBy::Keyring(Drawn { name, key: Zeroizing::new(key) })),
        Err(_) => Err(no_entry(&entry(&name))),
    }
}

/// What an entry is called.
fn entry(name: &[u8; 32]) -> String {
    name.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn no_entry(entry: &str) -> Failure {
    let text = format!("this session's keyring does not hold the key {}", &entry[..16]);
    Failure::new(FailureKind::Failed, text).with_hint(
        "it is in the keyring of who sealed this device's secret: log in as that person, or put \
         the keyring back from a backup",
    )
}

#[cfg(target_os = "linux")]
mod service {
    //! The Secret Service over D-Bus.

    use std::collections::HashMap;
    use std::time::Duration;

    use kernelos_protocol::command::{Failure, FailureKind};
    use secret_service::{Collection, EncryptionType, Error, SecretService};
    use zeroize::Zeroizing;

    /// A person may have to type the keyring's password; who does not answer ends the wait.
    const ANSWERS: Duration = Duration::from_secs(120);
    const APP: (&str, &str) = ("app", "kernelos");
    const LABEL: &str = "KernelOS: opens this device's secret";

    pub(super) async fn keep(entry: &str, key: &[u8; 32]) -> Result<(), Failure> {
        within(async {
            let service = SecretService::connect(EncryptionType::Dh).await?;
            let keyring = opened(&service).await?;
            let attributes = HashMap::from([APP, ("key", entry)]);
            let kept =
                keyring.create_item(LABEL, attributes, key, false, "application/octet-stream");
            kept.await.map(drop)
        })
        .await
    }

    pub(super) async fn take(entry: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let found = within(async {
            let service = SecretService::connect(EncryptionType::Dh).await?;
            let found = service.search_items(HashMap::from([APP, ("key", entry)])).await?;
            let Some(item) = found.unlocked.first().or(found.locked.first()) else {
                return Ok(None);
            };
            item.unlock().await?;
            item.get_secret().await.map(Zeroizing::new).map(Some)
        });
        found.await?.ok_or_else(|| super::no_entry(entry))
    }

    /// The keyring that the session opens by itself.
    async fn opened<'a>(service: &'a SecretService<'a>) -> Result<Collection<'a>, Error> {
        let keyring = service.get_default_collection().await?;
        keyring.unlock().await?;
        Ok(keyring)
    }

    async fn within<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
        let told = match tokio::time::timeout(ANSWERS, work).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => error,
            Err(_) => {
                let text = "the keyring did not answer for two minutes";
                return Err(Failure::new(FailureKind::Failed, text)
                    .with_hint("unlock it (a window of the desktop asks), then try again"));
            }
        };
        let (text, hint) = match told {
            Error::Locked | Error::Prompt | Error::PromptDisconnected => (
                "the keyring is locked, and was not unlocked".to_owned(),
                "unlock it: log in at the desktop, or open it in the desktop's password program",
            ),
            Error::NoResult => (
                "this session's keyring service has no keyring yet".to_owned(),
                "make one in the desktop's password program, and make it the default",
            ),
            error => (
                format!("no keyring of a desktop session is in reach: {error}"),
                "run it in the desktop's session; a machine without one seals under a passphrase \
                 or a key file: kern key protect -h",
            ),
        };
        Err(Failure::new(FailureKind::Failed, text).with_hint(hint))
    }
}

#[cfg(not(target_os = "linux"))]
mod service {
    //! No keyring is asked on this system.

    use kernelos_protocol::command::{Failure, FailureKind};
    use zeroize::Zeroizing;

    fn none() -> Failure {
        Failure::new(FailureKind::Failed, "kern asks no keyring on this system")
            .with_hint("seal it under a passphrase or a key file: kern key protect -h")
    }

    #[expect(clippy::unused_async, reason = "as where it waits for a service")]
    pub(super) async fn keep(_: &str, _: &[u8; 32]) -> Result<(), Failure> {
        Err(none())
    }

    #[expect(clippy::unused_async, reason = "as where it waits for a service")]
    pub(super) async fn take(_: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
        Err(none())
    }
}
