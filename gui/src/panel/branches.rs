//! Branches, and what devices wrote while apart: how far each is, and what its merge would bring.

use eframe::egui::{Button, Ui};
use kernelos_protocol::command::{BranchCommand, BranchKind, BranchState, Command};
use kernelos_protocol::present::{self, Block, Doc, Text, Tone, shown};

use crate::form::{Fill, Form};
use crate::model::{Action, Chosen, Model, Topic};
use crate::panel::{Panel, absent, below, can, empty, offer};
use crate::render;

/// Draws it.
pub fn show(ui: &mut Ui, model: &Model, actions: &mut Vec<Action>) {
    let Some(page) = &model.said.branches else {
        return absent(ui, model, &Topic::Branches);
    };
    let made = page.branches.iter().filter(|row| row.kind == BranchKind::Made);
    let made: Vec<&BranchState> = made.collect();
    let mut chosen = made.iter().position(|row| row.document == model.chosen.branch);
    chosen = chosen.filter(|_| model.chosen.branch.is_some());
    let before = chosen;
    for block in &present::branches(page, &model.said.names).0 {
        match block {
            Block::Table { columns, rows } => render::table(ui, columns, rows, Some(&mut chosen)),
            other => render::doc(ui, &Doc(vec![other.clone()])),
        }
    }
    if page.branches.is_empty() {
        let what = "A branch keeps changes apart until it is merged; an old state comes back as \
                    one. kern branch create makes one, too";
        return empty(ui, model, actions, (what, Some(Fill::CreateBranch)));
    }
    ui.horizontal_wrapped(|ui| {
        offer(ui, model, Form::of(Fill::CreateBranch, model), actions);
        let is_apart = page.branches.iter().any(|row| row.kind != BranchKind::Made);
        if is_apart
            && model.open_conflicts() > 0
            && ui.add(Button::new("Look at the conflicts").wrap()).clicked()
        {
            actions.push(Action::Go(Panel::Conflicts));
        }
    });
    // Each on a line of its own, which a long name has room on.
    for (index, row) in page.branches.iter().enumerate() {
        ui.push_id(index, |ui| apart(ui, row, model, actions));
    }
    let row = chosen.and_then(|index| made.get(index));
    if chosen != before {
        let branch = row.and_then(|row| row.document);
        actions.push(Action::Choose(Chosen { branch, ..model.chosen.clone() }));
    }
    let Some((row, document)) = row.and_then(|row| Some((row, row.document?))) else { return };
    below(ui, chosen != before);
    match &model.said.branch {
        Some(changes) if changes.document == document => {
            render::doc(ui, &present::branch_changes(changes, true, &model.said.names));
        }
        _ => absent(ui, model, &Topic::Branch(document)),
    }
    ways(ui, (row, &document.to_string()), model, actions);
}

/// What can be done about what devices wrote while apart: each side can go on as a branch.
fn apart(ui: &mut Ui, row: &BranchState, model: &Model, actions: &mut Vec<Action>) {
    for side in &row.sides {
        let name = shown(&present::device_name(&side.device, &model.said.names), 64);
        let place = whole(&row.of);
        if can(ui, model, &format!("Branch of what {name} wrote in {place}…")) {
            let typed = vec![String::new(), row.of.clone(), side.event.to_string(), String::new()];
            let form = Form { typed, ..Form::of(Fill::CreateBranch, model) };
            actions.push(Action::Form(Some(form)));
        }
    }
}

/// What can be done with a branch: each as the command line does it.
fn ways(ui: &mut Ui, (row, id): (&BranchState, &str), model: &Model, actions: &mut Vec<Action>) {
    let name = shown(row.name.as_deref().unwrap_or(id), 64);
    ui.horizontal_wrapped(|ui| {
        if row.ahead == 0 {
            let merge = ui.add_enabled(false, Button::new(format!("Merge {name}…")));
            let why = present::nothing_to_merge(row);
            let described = why.clone();
            ui.ctx().accesskit_node_builder(merge.id, |node| node.set_description(described));
            render::text(ui, &Text::toned(Tone::Quiet, why));
        } else if can(ui, model, &format!("Merge {name}…")) {
            actions.push(merging(row, model));
        }
        let Some(named) = row.name.as_ref().filter(|_| row.is_shown) else { return };
        let verb = if row.archived { "Bring back" } else { "Put away" };
        if can(ui, model, &format!("{verb} {name}")) {
            let (name, archived) = (named.clone(), !row.archived);
            let archive = BranchCommand::Archive { name, archived };
            actions.push(Action::Do(Command::Branch(archive)));
        }
    });
}

/// What is asked before a branch is merged: what that brings.
pub(crate) fn merging(row: &BranchState, model: &Model) -> Action {
    let id = row.document.map(|id| id.to_string());
    let name = id.or_else(|| row.name.clone()).unwrap_or_default();
    let verb = format!("Merge {}", shown(row.name.as_deref().unwrap_or(&name), 64));
    let text = format!("{} changes come to {}", row.ahead, whole(&row.of));
    let changes = model.said.branch.as_ref().filter(|all| Some(all.document) == row.document);
    let doc = changes.map(|all| present::branch_changes(all, true, &model.said.names));
    let doc = doc.unwrap_or_else(|| present::taken_back(&row.taken_back));
    let command = Command::Branch(BranchCommand::Merge { name });
    model.ask(verb, text, doc, command)
}

fn whole(of: &str) -> String {
    if of.is_empty() { "the workspace".to_owned() } else { shown(of, 64) }
}
