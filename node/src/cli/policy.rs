//! `kern policy`: what is allowed, and by which rule.

use kernelos_protocol::command::Failure;
use kernelos_protocol::mission::policy::RULES;
use kernelos_protocol::present::{Block, Doc, Text};

use crate::cli::Ui;

/// What is allowed, and by which rule
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  kern policy list
  kern policy list --json
  kern policy list --json | jq -r '.[].rule'")]
pub(super) enum Args {
    /// List the built-in rules; what none of them allows is denied
    #[command(after_help = "\
Examples:
  kern policy list
  kern policy list --json
  kern policy list --json | jq -r '.[].rule'")]
    List,
}

pub(super) fn run(ui: &Ui, args: &Args) -> Result<(), Failure> {
    let Args::List = args;
    ui.show(&RULES, || {
        let columns = ["rule", "about", "allows"].map(str::to_owned).to_vec();
        let rows = RULES
            .iter()
            .map(|rule| [rule.rule, rule.about(), rule.allows].map(Text::plain).to_vec());
        let rest = Text::plain(
            "whatever no rule allows is denied, and an effect without a \
                                decision before it counts for nobody",
        );
        Doc(vec![Block::Table { columns, rows: rows.collect() }, Block::Line(rest)])
    })
}
