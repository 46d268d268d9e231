//! What the help shows is true: every command has examples, and every one of them is a command line
//! that `kern` takes.

use clap::{CommandFactory as _, Parser as _};

use super::Args;

/// Lines of a help under "Examples:", until a line that is none.
fn examples(help: &str) -> Vec<String> {
    let shown = help.split("Examples:\n").nth(1).unwrap_or_default().replace("\\\n    ", "");
    let lines = shown.lines().take_while(|line| line.starts_with("  "));
    lines.map(|line| line.trim().to_owned()).collect()
}

/// The words of each `kern` in a line of a shell, without what only tells people.
fn commands(line: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words) = (Vec::new(), Vec::new());
    let (mut word, mut quote): (Option<String>, _) = (None, None);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quote) {
            (_, Some(mark)) if c == mark => quote = None,
            (_, Some(_)) => word.get_or_insert_default().push(c),
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            // Two spaces: what stands behind them tells people what it is for.
            (' ', None) if chars.peek() == Some(&' ') => break,
            (' ' | '|' | '&' | '<' | '>', None) => {
                words.extend(word.take());
                if c != ' ' {
                    commands.push(std::mem::take(&mut words));
                }
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    commands.push(words);
    let begins = |words: Vec<String>| {
        // What is set for it alone stands before it.
        let kern = words.iter().position(|word| !word.contains('='))?;
        (words[kern] == "kern").then(|| words[kern..].to_vec())
    };
    commands.into_iter().filter_map(begins).collect()
}

/// How many examples every help owes, of its own command.
const OWED: usize = 3;

/// The terminal that everybody has.
const SCREEN: (usize, usize) = (80, 24);

/// What of a help is not seen on one screen.
fn beyond_the_screen(name: &str, help: &str) -> Vec<String> {
    let (columns, rows) = SCREEN;
    let lines: Vec<_> = help.lines().collect();
    let long = lines.iter().filter(|line| line.chars().count() > columns);
    let mut faults: Vec<_> = long.map(|line| format!("{name} is too wide: {line}")).collect();
    if lines.len() > rows {
        faults.push(format!("{name} has {} lines of {rows}", lines.len()));
    }
    faults
}

fn each(command: &clap::Command, above: &str, seen: &mut impl FnMut(&str, &clap::Command)) {
    let name = format!("{above} {}", command.get_name()).trim().to_owned();
    seen(&name, command);
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        each(below, &name, seen);
    }
}

#[test]
fn every_help_has_the_examples_that_it_owes_and_all_of_them_are_taken() {
    let mut faults = Vec::new();
    each(&Args::command(), "", &mut |name, command| {
        let short = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let long = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
        let shown = examples(&short);
        let own = shown
            .iter()
            .filter(|line| commands(line).iter().any(|words| words.join(" ").starts_with(name)));
        let own = own.count();
        if shown.len() < OWED || own == 0 {
            let of = format!("{own} of {} examples are its own", shown.len());
            faults.push(format!("{name}: {of}, of {OWED}"));
        }
        for line in shown.iter().chain(&examples(&long)) {
            for words in commands(line) {
                if let Err(error) = Args::try_parse_from(&words) {
                    faults.push(format!("{name}: `{line}` is refused: {error}"));
                }
            }
        }
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_short_help_of_everything_is_on_one_screen() {
    let mut root = super::usage::command(["-h"].iter());
    let mut faults = beyond_the_screen("kern", &root.render_help().to_string());
    let mut all = Args::command();
    all.build();
    each(&all, "", &mut |name, command| {
        if name != "kern" {
            faults.extend(beyond_the_screen(name, &command.clone().render_help().to_string()));
        }
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_command_of_the_readme_is_taken() {
    let readme = include_str!("../../../README.md");
    let blocks = readme.split("\n```sh\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    let blocks: Vec<_> = blocks.map(|block| block.replace("\\\n    ", "")).collect();
    let lines = blocks.iter().flat_map(|block| block.lines());
    let mut taken = 0;
    for words in lines.flat_map(commands) {
        // `$` begins what only a shell knows; nothing of it stands there.
        let parsed = Args::try_parse_from(&words);
        assert!(parsed.is_ok(), "{}: {}", words.join(" "), parsed.unwrap_err());
        taken += 1;
    }
    assert!(taken > 60, "{taken}");
}

#[test]
fn a_line_of_a_shell_is_read_as_a_shell_reads_it() {
    let words = |line: &str| commands(line).into_iter().map(|words| words.join("|")).collect();
    let table: [(&str, &[&str]); 5] = [
        ("kern log          what there is", &["kern|log"]),
        ("kern doc set a '\"b c\"'", &["kern|doc|set|a|\"b c\""]),
        ("echo x | A=1 kern doc apply - && kern up", &["kern|doc|apply|-", "kern|up"]),
        ("kern man > out", &["kern|man"]),
        ("pbpaste", &[]),
    ];
    for (line, expected) in table {
        let found: Vec<String> = words(line);
        assert_eq!(found, expected, "{line}");
    }
}
