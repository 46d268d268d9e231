//! What `kern` says of itself: where things lie, completions, man pages, and its window.

use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use clap_complete::Shell;
use kernelos_protocol::command::{Failure, FailureKind};
use kernelos_protocol::present::{Block, Doc, Text};
use serde_json::json;

use crate::cli::{Ui, print};

/// The inspector's program.
const GUI: &str = "kern-gui";

/// What builds it, in a clone of the sources.
pub(super) const BUILD_GUI: &str = "cargo install --locked --path gui";

/// Show what lies where
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern paths
  kern paths --json | jq -r .home
  KERNELOS_HOME=/mnt/disk/kern kern paths")]
pub(super) struct Paths {}

/// Print the completions of a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern completions bash > ~/.local/share/bash-completion/completions/kern
  kern completions zsh > ~/.zfunc/_kern
  kern completions fish > ~/.config/fish/completions/kern.fish")]
pub(super) struct Completions {
    /// Which shell
    shell: Shell,
}

/// Write the man pages, or print the first
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kern man | man -l -
  kern man ~/.local/share/man/man1
  kern man /tmp/pages --json")]
pub(super) struct Man {
    /// A folder for a page of each command
    dir: Option<PathBuf>,
}

pub(super) fn paths(ui: &Ui) -> Result<(), Failure> {
    let (home, socket) = (ui.home.path(), ui.home.socket()?);
    let stores: Vec<_> = stores(home);
    let fields = [
        ("home", home.to_owned()),
        ("secret", home.join("device.key")),
        ("socket", socket),
        ("peers", home.join("peers")),
        ("audit", home.join("audit.jsonl")),
        ("workspaces", home.join("workspaces")),
    ];
    let mut object = json!({ "stores": stores });
    for (name, path) in &fields {
        object[*name] = json!(path);
    }
    ui.show(&object, || {
        let field =
            |(name, path): &(&str, PathBuf)| ((*name).to_owned(), Text::plain(path.display()));
        let of_stores = stores.iter().map(|path| ("store".to_owned(), Text::plain(path.display())));
        Doc(vec![Block::Fields(fields.iter().map(field).chain(of_stores).collect())])
    })
}

/// The stores of a home, whether or not a node runs.
pub(super) fn stores(home: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(home.join("workspaces")).into_iter().flatten().flatten();
    let mut stores: Vec<_> =
        entries.map(|entry| entry.path().join("store.db")).filter(|path| path.is_file()).collect();
    stores.sort();
    stores
}

pub(super) fn completions(ui: &Ui, args: &Completions) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut super::Args::command(), "kern", &mut text);
    let script = String::from_utf8_lossy(&text);
    if ui.json {
        let object = json!({ "shell": args.shell.to_string(), "script": script });
        return print(&(object.to_string() + "\n"));
    }
    print(&script)
}

pub(super) fn man(ui: &Ui, args: Man) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(FailureKind::Failed, format!("the pages cannot be written: {error}"))
            .with_hint("name a folder that can be made or written")
    };
    let command = super::Args::command();
    let Some(dir) = args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).map_err(failed)?;
        let page = String::from_utf8_lossy(&page);
        return if ui.json {
            print(&(json!({ "page": page }).to_string() + "\n"))
        } else {
            print(&page)
        };
    };
    fs::create_dir_all(&dir).map_err(failed)?;
    let pages = count(&command);
    clap_mangen::generate_to(command, &dir).map_err(failed)?;
    ui.show(&json!({ "pages": pages, "dir": dir }), || {
        let text = format!("{pages} pages in {}", dir.display());
        Doc(vec![Block::Line(Text::plain(text))])
    })
}

/// A page for each command that is shown, and what is below it.
fn count(command: &clap::Command) -> usize {
    1 + command.get_subcommands().filter(|below| !below.is_hide_set()).map(count).sum::<usize>()
}

/// Where the inspector is, beside this program or on the PATH.
pub(crate) fn find_gui() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.join(GUI)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join(GUI));
    beside.into_iter().chain(on_path).find(|path| path.is_file())
}
