//! `--describe FILE`: what a screen reader gets, as JSON lines with bounds in pixels, whenever it
//! changes. For people who debug screen readers, and for tests that click as people do.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use eframe::egui::accesskit::{Node, Role, TreeUpdate};
use eframe::egui::{Context, FullOutput, Plugin};
use serde_json::json;

/// Writes the tree to a file.
#[derive(Debug)]
pub struct Describe {
    to: PathBuf,
    last: String,
}

impl Describe {
    /// Writes to this file, which is replaced as a whole, or says why it cannot be.
    pub fn to(to: PathBuf) -> Result<Self, String> {
        let why = |error| {
            format!("{} cannot be written: {error}\nname a file in a folder of yours", to.display())
        };
        replace(&to, "").map_err(why)?;
        Ok(Self { to, last: String::new() })
    }
}

impl Plugin for Describe {
    fn debug_name(&self) -> &'static str {
        "describe"
    }

    fn setup(&mut self, context: &Context) {
        context.enable_accesskit();
    }

    fn output_hook(&mut self, context: &Context, output: &mut FullOutput) {
        // Where nobody listens, the window's system turns the tree off again.
        context.enable_accesskit();
        let Some(update) = &output.platform_output.accesskit_update else { return };
        let now = lines(update, context.pixels_per_point());
        if now != self.last && replace(&self.to, &now).is_ok() {
            self.last = now;
        }
    }
}

/// A line for each node that is called something, and for each field, with what is typed there.
fn lines(update: &TreeUpdate, scale: f32) -> String {
    let mut text = String::new();
    for (_, node) in &update.nodes {
        let is_field = matches!(node.role(), Role::TextInput | Role::MultilineTextInput);
        let typed = is_field.then(|| node.value().unwrap_or_default());
        let Some(name) = called(node, update).or_else(|| typed.map(|_| "")) else { continue };
        let bounds = node.bounds().map(|at| {
            let scale = f64::from(scale);
            [at.x0, at.y0, at.x1, at.y1].map(|edge| edge * scale)
        });
        let mut line = json!({ "role": format!("{:?}", node.role()), "name": name,
            "disabled": node.is_disabled(), "bounds": bounds });
        if let Some(typed) = typed {
            line["value"] = typed.into();
        }
        text.push_str(&line.to_string());
        text.push('\n');
    }
    text
}

/// By its own name, or by what labels it.
fn called<'u>(node: &'u Node, update: &'u TreeUpdate) -> Option<&'u str> {
    let by = |id| update.nodes.iter().find(|(of, _)| of == id).and_then(|(_, label)| name(label));
    name(node).or_else(|| node.labelled_by().iter().find_map(by))
}

fn name(node: &Node) -> Option<&str> {
    let name = if node.role() == Role::Label { node.value() } else { node.label() };
    name.filter(|name| !name.is_empty())
}

/// It holds what is typed, tokens and digits too: its owner alone may read it.
fn replace(to: &Path, text: &str) -> std::io::Result<()> {
    let beside = to.with_extension("new");
    // What an earlier run left there may be for others to read.
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside);
    made?.write_all(text.as_bytes())?;
    std::fs::rename(&beside, to)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use eframe::egui::accesskit::{NodeId, TreeId};

    use super::*;

    #[test]
    fn who_names_a_file_that_cannot_be_written_is_told_before_a_window_opens() {
        let folder = std::env::temp_dir();
        for to in [folder.join("no such folder/f"), PathBuf::from("/"), folder] {
            let said = Describe::to(to.clone()).unwrap_err();
            assert!(said.starts_with(to.to_str().unwrap()), "{said}");
            assert!(said.contains("name a file"), "{said}");
        }
    }

    #[test]
    fn a_field_is_called_by_its_label() {
        let mut label = Node::new(Role::Label);
        label.set_value("Reason");
        let mut field = Node::new(Role::TextInput);
        field.set_labelled_by(vec![NodeId(2)]);
        field.set_value("lost");
        let nodes = vec![(NodeId(1), field), (NodeId(2), label)];
        let (tree, tree_id) = (None, TreeId::ROOT);
        let text = lines(&TreeUpdate { nodes, tree, tree_id, focus: NodeId(1) }, 1.0);
        let field: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!((&field["name"], &field["value"]), (&json!("Reason"), &json!("lost")));
    }

    #[test]
    fn its_owner_alone_reads_what_is_typed_whatever_was_there() {
        let folder = std::env::temp_dir().join(format!("kern-gui-{}-describe", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let to = folder.join("tree");
        for path in [&to, &to.with_extension("new")] {
            std::fs::write(path, "old").unwrap();
            std::fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
        }
        replace(&to, "typed").unwrap();
        assert_eq!(std::fs::read_to_string(&to).unwrap(), "typed");
        assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::remove_dir_all(&folder).ok();
    }
}
