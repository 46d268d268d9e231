//! A command line that says nothing: told by clap to people, as a failure like others to scripts.

use std::ffi::OsStr;
use std::process::ExitCode;

use clap::error::ErrorKind;
use kernelos_protocol::command::{Failure, FailureKind};

/// Tells what clap has to say: help that was asked for, or what was wrong.
pub(super) fn tell(error: &clap::Error) -> ExitCode {
    let asked_wrongly = error.use_stderr();
    if asked_wrongly && wants_json(std::env::args_os().skip(1)) {
        super::tell(true, &failure(error));
    } else {
        // Where nobody can be told, the exit code still says it.
        error.print().ok();
    }
    if asked_wrongly { ExitCode::from(FailureKind::Usage.exit_code()) } else { ExitCode::SUCCESS }
}

fn wants_json(args: impl Iterator<Item = impl AsRef<OsStr>>) -> bool {
    let mut options = args.take_while(|arg| arg.as_ref() != "--");
    options.any(|arg| arg.as_ref() == "--json")
}

/// What clap says in paragraphs: what is wrong, perhaps a tip, the usage, and where to read more.
fn failure(error: &clap::Error) -> Failure {
    let missing =
        [ErrorKind::MissingSubcommand, ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand];
    if missing.contains(&error.kind()) {
        return Failure::new(FailureKind::Usage, "a command is missing")
            .with_hint("--help lists the commands");
    }
    let text = error.render().to_string();
    let mut paragraphs = text.trim().split("\n\n").map(one_line);
    let first = paragraphs.next().unwrap_or_default();
    let message = first.strip_prefix("error: ").unwrap_or(&first);
    let rest: Vec<_> = paragraphs.collect();
    let failure = Failure::new(FailureKind::Usage, message);
    if rest.is_empty() { failure } else { failure.with_hint(rest.join("; ")) }
}

fn one_line(paragraph: &str) -> String {
    paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Args;

    #[test]
    fn what_is_asked_wrongly_is_one_sentence_and_a_hint() {
        for (args, message, hint) in [
            (&["kern"][..], "a command is missing", "--help"),
            (&["kern", "doc"], "a command is missing", "--help"),
            (&["kern", "sing"], "unrecognized subcommand 'sing'", "Usage: kern"),
            (&["kern", "task", "add"], "were not provided: <TITLE>", "Usage: kern task add"),
            (&["kern", "log", "--color"], "unexpected argument '--color' found", "Usage: kern log"),
            (&["kern", "invite", "--ttl", "0"], "invalid value '0' for '--ttl", "--help"),
            (&["kern", "invite", "--role", "king"], "[possible values: ", "--help"),
            (
                &["kern", "conflicts", "resolve", "1", "--keep", "A", "--value", "1"],
                "cannot be used with '--value <JSON>'",
                "Usage: kern conflicts resolve",
            ),
        ] {
            let error = Args::try_parse_from(args).err().unwrap();
            let failure = failure(&error);
            assert_eq!(failure.kind, FailureKind::Usage, "{args:?}");
            assert!(failure.message.contains(message), "{args:?}: {failure:?}");
            assert!(failure.hint.as_ref().unwrap().contains(hint), "{args:?}: {failure:?}");
            assert!(!failure.message.contains('\n'), "{args:?}: {failure:?}");
        }
    }

    #[test]
    fn what_stands_after_two_dashes_is_no_option() {
        assert!(wants_json(["doc", "--json", "get"].iter()));
        assert!(!wants_json(["doc", "get", "--", "--json"].iter()));
    }
}
