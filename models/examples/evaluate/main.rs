//! What the liveness checks are worth on real clips and on attacks: the tables and plots of `docs/liveness.md`.
//!
//!     cargo run --release -p vision-models --example evaluate -- SHARED [--plots FOLDER] [PART ...]
//!
//! `SHARED` is the folder with `assets/`. Clips are decoded by ffmpeg to 640x480 at most, as a call has them.

mod attacks;
mod colour;
mod continuity;
mod damage;
mod footage;
mod passive;
mod quality;

use std::path::{Path, PathBuf};

use footage::Studio;

/// An error of any kind: this is a tool, it stops and says why.
type AnyError = Box<dyn std::error::Error>;

/// What a part gets.
struct Context {
    /// Reads clips and analyses them.
    studio: Studio,
    /// Where plots are written, if anywhere.
    plots: Option<PathBuf>,
}

/// A part: its name, and what it prints, as Markdown.
type Part = (&'static str, fn(&mut Context) -> Result<(), AnyError>);

const PARTS: &[Part] =
    &[("quality", quality::run), ("passive", passive::run), ("continuity", continuity::run), ("colour", colour::run)];

fn main() -> Result<(), AnyError> {
    let mut arguments = std::env::args().skip(1);
    let shared = arguments.next().ok_or("usage: evaluate SHARED [--plots FOLDER] [PART ...]")?;
    let mut arguments: Vec<_> = arguments.collect();
    let plots = match arguments.iter().position(|argument| argument == "--plots") {
        Some(at) if at + 1 < arguments.len() => arguments.drain(at..at + 2).next_back().map(PathBuf::from),
        _ => None,
    };
    if let Some(folder) = &plots {
        std::fs::create_dir_all(folder)?;
    }
    if let Some(unknown) = arguments.iter().find(|name| PARTS.iter().all(|(part, _)| part != name)) {
        return Err(format!("there is no part \"{unknown}\"").into());
    }
    let mut context = Context { studio: Studio::open(Path::new(&shared))?, plots };
    for (name, run) in PARTS {
        if arguments.is_empty() || arguments.iter().any(|wanted| wanted == name) {
            eprintln!("{name} ...");
            println!("\n## {name}\n");
            run(&mut context)?;
        }
    }
    Ok(())
}
