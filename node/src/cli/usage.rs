//! A command line that says nothing: told by clap to people, as a failure like others to scripts.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap::error::ErrorKind;
use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::present;

/// Bytes of a line of what clap says, where it repeats what was typed.
const LINE_MAX: usize = 1_000;

/// `kern -h`: everything there is on one screen. `kern --help` says of each command what it does.
const SCREEN: &str = "\
{about}
{usage-heading} {usage}

Commands:
  to begin        demo, init, up, status, doctor, ui
  documents       doc, task, board, branch, export, import
  what happened   log, conflicts, undo
  devices         invite, join, devices, revoke, offline, online, peer
  agents          agent, mission, policy
  gone wrong      quarantine, strike, readmit, rescue, purge
  this device     key, workspace, paths, completions, man, bench, help

Options:
{options}{after-help}
";

/// The command line; where one screen is asked for, with that as its help.
pub(super) fn command(args: impl Iterator<Item = impl AsRef<OsStr>>) -> clap::Command {
    let command = super::Args::command();
    if wants_screen(args) { command.help_template(SCREEN) } else { command }
}

/// Is a short help asked for, and before any command?
fn wants_screen(args: impl Iterator<Item = impl AsRef<OsStr>>) -> bool {
    let mut args = args.peekable();
    if args.peek().is_none() {
        return true;
    }
    let mut is_value = false;
    let mut options = args.take_while(|arg| {
        let arg = arg.as_ref().as_encoded_bytes();
        let is_option = arg.starts_with(b"-") || is_value;
        is_value = arg == b"--workspace";
        is_option
    });
    options.any(|arg| arg.as_ref() == "-h")
}

/// Tells what clap has to say: help that was asked for, or what was wrong.
pub(super) fn tell(error: &clap::Error) -> ExitCode {
    let asked_wrongly = error.use_stderr();
    if asked_wrongly && wants_json(std::env::args_os().skip(1)) {
        super::tell(true, &failure(error));
    } else if let Some(text) = steered(error).filter(|_| asked_wrongly) {
        // Where nobody can be told, the exit code still says it.
        io::stderr().write_all(text.as_bytes()).ok();
    } else {
        error.print().ok();
    }
    if asked_wrongly { ExitCode::from(FailureKind::Usage.exit_code()) } else { ExitCode::SUCCESS }
}

/// What clap has to say where it repeats what would steer a terminal: that is shown by its numbers.
fn steered(error: &clap::Error) -> Option<String> {
    let text = error.render().to_string();
    let lines: Vec<_> = text.lines().map(|line| present::shown(line, LINE_MAX)).collect();
    let shown = format!("{}\n", lines.join("\n"));
    (shown.trim_end() != text.trim_end()).then_some(shown)
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
    use std::collections::BTreeSet;

    use clap::Parser as _;

    use super::*;
    use crate::cli::Args;

    #[test]
    fn one_screen_has_every_command_once() {
        let listed = SCREEN.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
        let names = listed.lines().flat_map(|line| line[18..].split(", "));
        let names: Vec<_> = names.filter(|name| *name != "help").collect();
        let command = Args::command();
        let all: BTreeSet<_> = command.get_subcommands().map(clap::Command::get_name).collect();
        assert_eq!(names.iter().copied().collect::<BTreeSet<_>>(), all);
        assert_eq!(names.len(), all.len());
    }

    #[test]
    fn a_screen_is_for_who_asks_for_no_command() {
        for (args, is_wanted) in [
            (&[][..], true),
            (&["-h"], true),
            (&["--json", "-h"], true),
            (&["--workspace", "w", "-h"], true),
            (&["--help"], false),
            (&["doc", "-h"], false),
            (&["help"], false),
        ] {
            assert_eq!(wants_screen(args.iter()), is_wanted, "{args:?}");
            let screen = command(args.iter()).render_help().to_string();
            assert_eq!(screen.contains("to begin"), is_wanted, "{args:?}");
        }
    }

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
