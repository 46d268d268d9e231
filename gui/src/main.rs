//! `kern-gui`: the inspector in a window. `kern ui` starts it.

use std::path::PathBuf;
use std::process::ExitCode;

use eframe::egui;
use kernelos_gui::app::App;
use kernelos_gui::bench::window::Opening;
use kernelos_gui::client::{Client, socket};
use kernelos_gui::describe::Describe;

/// What is said where an argument is not known.
const USAGE: &str = "kern-gui [--socket PATH] [--workspace NAME] [--describe FILE], or kern-gui \
                     --bench SECONDS [--socket PATH], or kern-gui --bench-window [--socket PATH]";

struct Args {
    socket: PathBuf,
    workspace: Option<String>,
    /// Where what a screen reader gets is written.
    describe: Option<PathBuf>,
    /// For how many seconds it is idle while it is measured; none where a window is opened.
    bench: Option<u64>,
    /// Is a window opened to be measured?
    bench_window: bool,
}

fn args(mut given: impl Iterator<Item = String>) -> Option<Args> {
    let (mut at, mut workspace, mut describe, mut bench) = (socket(), None, None, None);
    let mut bench_window = false;
    while let Some(arg) = given.next() {
        match arg.as_str() {
            "--socket" => at = Some(given.next()?.into()),
            "--describe" => describe = Some(given.next()?.into()),
            "--bench" => bench = Some(given.next()?.parse().ok()?),
            "--bench-window" => bench_window = true,
            "--workspace" => workspace = Some(given.next()?),
            _ => return None,
        }
    }
    Some(Args { socket: at?, workspace, describe, bench, bench_window })
}

fn main() -> ExitCode {
    let Some(args) = args(std::env::args().skip(1)) else {
        return failed(USAGE);
    };
    if let Some(seconds) = args.bench {
        let measured = kernelos_gui::bench::run(args.socket, seconds);
        return measured.map_or_else(|error| failed(&error.to_string()), |()| ExitCode::SUCCESS);
    }
    let describe = match args.describe.map(Describe::to).transpose() {
        Ok(describe) => describe,
        Err(why) => return failed(&why),
    };
    let size = egui::vec2(1_100.0, 720.0);
    let options = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_title("KernelOS")
            .with_app_id("kern-gui")
            .with_min_inner_size([320.0, 240.0])
            .with_inner_size(size),
        ..Default::default()
    };
    let made = eframe::run_native(
        "kern-gui",
        options,
        Box::new(move |context| {
            if let Some(describe) = describe {
                context.egui_ctx.add_plugin(describe);
            }
            let client = Client::start(args.socket, args.workspace, &context.egui_ctx)?;
            let app = App::new(&context.egui_ctx, client);
            Ok(if args.bench_window { Box::new(Opening::of(app)) } else { Box::new(app) })
        }),
    );
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&no_window(&error.to_string())),
    }
}

/// Why there is no window, and what to do: without the place in a library's sources that its error
/// names, which is of where this was built.
fn no_window(error: &str) -> String {
    let cause = match error.split_once("os error at ") {
        Some((_, behind)) => behind.split_once(": ").map_or(behind, |(_, cause)| cause),
        None => error,
    };
    format!(
        "no window: {}\nset DISPLAY or WAYLAND_DISPLAY; `kern status`, `kern log` and `kern \
         conflicts` say in a terminal what it shows",
        cause.trim_end_matches('.')
    )
}

fn failed(text: &str) -> ExitCode {
    use std::io::Write as _;
    writeln!(std::io::stderr(), "{text}").ok();
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::no_window;

    #[test]
    fn who_gets_no_window_reads_why_and_what_to_do_and_no_path_of_a_build() {
        let cause = "neither WAYLAND_DISPLAY nor WAYLAND_SOCKET nor DISPLAY is set.";
        let of_library =
            format!("winit EventLoopError: os error at /a/winit/src/mod.rs:765: {cause}");
        for (error, why) in
            [(of_library.as_str(), cause.trim_end_matches('.')), ("no GL context", "no GL context")]
        {
            let said = no_window(error);
            assert!(said.starts_with(&format!("no window: {why}\nset DISPLAY")), "{said}");
            assert!(!said.contains(".rs") && said.contains("kern log"), "{said}");
        }
    }
}
